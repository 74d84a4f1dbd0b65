"""Reads that concurrent callers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from gateway.seat_maps.store import SeatMapStore
from gateway.tickets.routes import TicketRoutes
from notifier.facts import Facts
from runtime.shared_reads import SharedReads
from schemas.layout import Money, numbered


class Source:
    """Reads that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.may_end = asyncio.Event()

    async def read(self, key: int) -> int:
        self.begun.append(key)
        await self.may_end.wait()
        if key < 0:
            raise LookupError(key)
        return key * 10


async def test_concurrent_callers_share_one_read_of_each_key() -> None:
    source = Source()
    reads = SharedReads(source.read)
    callers = [asyncio.create_task(reads(key)) for key in (1, 2, 1, 1, 2)]
    await asyncio.sleep(0)
    source.may_end.set()
    assert await asyncio.gather(*callers) == [10, 20, 10, 10, 20]
    assert source.begun == [1, 2]
    assert await reads(1) == 10
    assert source.begun == [1, 2, 1], "no result is kept"


async def test_a_cancelled_caller_leaves_the_read_to_the_others() -> None:
    source = Source()
    reads = SharedReads(source.read)
    first, other = asyncio.create_task(reads(1)), asyncio.create_task(reads(1))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.may_end.set()
    assert await other == 10
    assert first.cancelled()
    assert source.begun == [1]


async def test_an_error_is_that_of_every_caller_and_the_next_one_reads_again() -> None:
    source = Source()
    source.may_end.set()
    reads = SharedReads(source.read)
    errors = await asyncio.gather(reads(-1), reads(-1), return_exceptions=True)
    assert [type(error) for error in errors] == [LookupError] * 2
    with pytest.raises(LookupError):
        await reads(-1)
    assert source.begun == [-1, -1]


class Pool:
    """A database with one layout, which counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    async def fetchval(self, sql: str, layout_id: int) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return msgspec.json.encode(numbered(10, Money(1250, "EUR")))


def of_tickets(pool: Any) -> Callable[[int], Awaitable[object]]:
    nothing = cast("Any", None)
    return TicketRoutes(nothing, pool, nothing, nothing, "UTC", "http://localhost")._places.get


def of_emails(pool: Any) -> Callable[[int], Awaitable[object]]:
    return Facts(pool, "UTC").places


def of_seat_maps(pool: Any) -> Callable[[int], Awaitable[object]]:
    return SeatMapStore(pool).layout


@pytest.mark.parametrize("made", [of_tickets, of_emails, of_seat_maps])
async def test_a_layout_is_read_and_decoded_once_for_all_who_wait_for_it(
    made: Callable[[Any], Callable[[int], Awaitable[object]]],
) -> None:
    pool = Pool()
    layout = made(pool)
    found = await asyncio.gather(*(layout(7) for _ in range(20)))
    assert (pool.reads, len(set(map(id, found)))) == (1, 1)
    assert await layout(7) is found[0]
    assert pool.reads == 1
