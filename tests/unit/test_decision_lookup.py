"""Waiting for a decision while the database breaks, hangs or the gateway stops. Redis says nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gateway.commands.pending import Awaited, Replies, StoredDecision
from schemas.events import Decision
from schemas.ids import Position
from schemas.wire import encode

HERE = Position(2, 18)
ROW = (HERE.partition, HERE.offset, encode(Decision()))

Fetch = Callable[[], Awaitable[list[Any]]]


class FakePool:
    """Answers each look-up with the next of these; with the last one from then on."""

    def __init__(self, *answers: Fetch) -> None:
        self._answers = list(answers)

    async def fetch(self, *_: object) -> list[Any]:
        return await (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])()


async def breaks() -> list[Any]:
    raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


async def finds() -> list[Any]:
    return [ROW]


async def hangs() -> list[Any]:
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


@asynccontextmanager
async def looking_up(*answers: Fetch) -> AsyncIterator[Replies]:
    replies = Replies(FakePool(*answers), None)
    looking = asyncio.create_task(replies.look_up())
    try:
        yield replies
        assert not looking.done(), "the look-ups have ended"
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def expect(replies: Replies, wait_s: float) -> asyncio.Future[StoredDecision | None]:
    waiting = Awaited()
    replies.expect(waiting, wait_s)
    replies.placed(waiting, HERE)
    return waiting.outcome


async def test_a_connection_that_breaks_in_the_middle_of_a_look_up_is_no_end_of_look_ups() -> None:
    async with looking_up(breaks, finds) as replies:
        outcome = await asyncio.wait_for(expect(replies, 60), 20)
        assert outcome == StoredDecision(HERE, encode(Decision()))


async def test_a_wait_ends_when_its_time_is_up_though_the_database_does_not_answer() -> None:
    async with looking_up(hangs) as replies:
        long, short = expect(replies, 60), expect(replies, 1)
        assert await asyncio.wait_for(short, 20) is None
        assert not long.done()


async def test_when_a_gateway_stops_nobody_waits_on() -> None:
    replies = Replies(FakePool(hangs), None)
    before = expect(replies, 60)
    replies.end_waits()
    assert before.done()
    assert before.result() is None
    after = expect(replies, 60)
    assert after.done()
    assert after.result() is None
