"""What a worker asks by itself: holds run out and cancelled shows are emptied, whoever dies in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest

from schemas.commands import CancelShow, HoldSeats
from seat_workers import show
from tests.integration.house import House, opened


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with opened(database_url) as house:
        house.put(house.open_show(7))
        yield house


def _hold(house: House, *seats: str, hold_ms: int = 1_000) -> HoldSeats:
    wanted = msgspec.structs.asdict(house.book(7, *seats))
    return HoldSeats(**wanted, hold_ms=hold_ms)


async def _until(house: House, query: str, wanted: object, wait_s: float = 10) -> None:
    deadline = time.monotonic() + wait_s
    while (found := await house.db.fetchval(query)) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        await asyncio.sleep(0.02)


async def _asked(house: House, kind: str) -> int:
    query = "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE $1"
    count: int = await house.db.fetchval(query, f'%"{kind}"%')
    return count


async def test_a_hold_runs_out_without_anybody_asking(house: House) -> None:
    async with house.working():
        decision = await house.decision(house.put(_hold(house, "1", "2")))
        assert decision.booking is not None
        started = time.monotonic()
        await _until(house, "SELECT status FROM bookings", "expired")
        assert 0.8 < time.monotonic() - started < 3
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 0
    assert await house.db.fetchval("SELECT available FROM show_states") == 100


async def test_a_hold_runs_out_though_its_worker_has_died(house: House) -> None:
    async with house.working():
        await house.decision(house.put(_hold(house, "1")))
    assert await house.db.fetchval("SELECT status FROM bookings") == "held"
    async with house.working():
        await _until(house, "SELECT status FROM bookings", "expired")


async def test_what_log_time_says_came_too_early_is_asked_again(house: House) -> None:
    house.clock_ms = lambda: int(time.time() * 1000) + 2_000  # type: ignore[method-assign]
    async with house.working():
        await house.decision(house.put(_hold(house, "1", hold_ms=1_500)))
        await _until(house, "SELECT status FROM bookings", "expired")
    asked = await house.db.fetchval(
        "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE '%ExpireHolds%'"
    )
    assert 2 <= asked <= 4


async def test_a_cancelled_show_is_emptied_a_page_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "CANCELLED_PER_COMMAND", 10)
    async with house.working():
        for seat in range(1, 36):
            position = house.put(house.book(7, str(seat)))
        await house.decision(position)
        cancel = CancelShow(command_id=uuid4(), show_id=7, user_id=1, staff=True)
        assert (await house.decision(house.put(cancel))).reason is None
        refused = await house.decision(house.put(house.book(7, "50")))
        assert refused.reason is not None
        assert refused.reason.value == "show_cancelled"
        await _until(house, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 35)
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 0
    assert await house.db.fetchval("SELECT status FROM show_states") == "cancelled"
    pages = await house.db.fetchval(
        "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE '%CancelShow%'"
    )
    assert 4 <= pages <= 8


async def test_a_cancelled_show_is_emptied_though_its_worker_has_died(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "CANCELLED_PER_COMMAND", 3)
    for seat in range(1, 8):
        house.put(house.book(7, str(seat)))
    house.put(CancelShow(command_id=uuid4(), show_id=7, user_id=1, staff=True))
    worker = house.worker()
    monkeypatch.setattr(worker._timers, "append_due", lambda: asyncio.sleep(0))
    async with house.working(worker):
        await _until(house, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 3)
    async with house.working():
        await _until(house, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 7)
