"""Decision look-ups while the database fails or hangs and when the gateway stops. No reply arrives over Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import asyncpg

from gateway.commands.decision_lookup import DecisionLookup
from gateway.commands.outcomes import StoredDecision
from gateway.commands.pending import (
    LATER_LOOK_UP_S,
    LOOK_UP_AFTER_S,
    AwaitedDecision,
    PendingRequest,
    PendingRequests,
)
from schemas.events import Decision
from schemas.ids import Position
from schemas.wire import encode

HERE = Position(2, 18)
ROW = (HERE.partition, HERE.offset, encode(Decision()))

Fetch = Callable[[], Awaitable[list[Any]]]


class FakePool:
    """Answers each query with the next of the given results; from the last one on with that."""

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
async def looking_up(*answers: Fetch) -> AsyncIterator[PendingRequests]:
    pending = PendingRequests()
    running = asyncio.create_task(DecisionLookup(FakePool(*answers), pending).run())
    try:
        yield pending
        assert not running.done(), "the look-ups have ended"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def expect(pending: PendingRequests, wait_s: float) -> asyncio.Future[StoredDecision | None]:
    awaited = AwaitedDecision()
    pending.add(awaited, wait_s)
    pending.set_position(awaited, HERE)
    return awaited.outcome


async def test_look_ups_go_on_after_a_connection_fails_during_a_query() -> None:
    async with looking_up(breaks, finds) as pending:
        outcome = await asyncio.wait_for(expect(pending, 60), 20)
        assert outcome == StoredDecision(HERE, encode(Decision()))


async def test_a_request_times_out_while_the_database_does_not_answer() -> None:
    async with looking_up(hangs) as pending:
        long, short = expect(pending, 60), expect(pending, 1)
        assert await asyncio.wait_for(short, 20) is None
        assert not long.done()


async def test_shutdown_times_out_present_and_later_requests() -> None:
    pending = PendingRequests()
    before = expect(pending, 60)
    pending.time_out_all()
    assert before.done()
    assert before.result() is None
    after = expect(pending, 60)
    assert after.done()
    assert after.result() is None


def test_look_ups_stay_frequent_for_seconds() -> None:
    request = PendingRequest()
    times: list[float] = []
    while not times or times[-1] < 10.0:
        times.append(LOOK_UP_AFTER_S if not times else request.look_up_at)
        request.looked_up_at(times[-1])
    steps = {after - before for before, after in pairwise(times) if after <= 5.0}
    assert steps == {LOOK_UP_AFTER_S}
    assert times[-1] - times[-2] == LATER_LOOK_UP_S
