"""Timers of a worker: holds expire and bookings of cancelled shows are cancelled, even after a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest

from schemas.commands import CancelShow, HoldSeats
from seat_workers import show_rules
from tests.integration.worker_environment import WorkerEnvironment, opened


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    async with opened(database_url) as environment:
        environment.put(environment.open_show(7))
        yield environment


def _hold(environment: WorkerEnvironment, *seats: str, hold_ms: int = 1_000) -> HoldSeats:
    wanted = msgspec.structs.asdict(environment.book(7, *seats))
    return HoldSeats(**wanted, hold_ms=hold_ms)


async def _until(environment: WorkerEnvironment, query: str, wanted: object, wait_s: float = 10) -> None:
    deadline = time.monotonic() + wait_s
    while (found := await environment.db.fetchval(query)) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        await asyncio.sleep(0.02)


async def _asked(environment: WorkerEnvironment, kind: str) -> int:
    query = "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE $1"
    count: int = await environment.db.fetchval(query, f'%"{kind}"%')
    return count


async def test_a_hold_expires_without_a_request(environment: WorkerEnvironment) -> None:
    async with environment.working():
        decision = await environment.decision(environment.put(_hold(environment, "1", "2")))
        assert decision.booking is not None
        started = time.monotonic()
        await _until(environment, "SELECT status FROM bookings", "expired")
        assert 0.8 < time.monotonic() - started < 3
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 0
    assert await environment.db.fetchval("SELECT available FROM show_states") == 100


async def test_a_hold_expires_after_a_crash_of_its_worker(environment: WorkerEnvironment) -> None:
    async with environment.working():
        await environment.decision(environment.put(_hold(environment, "1")))
    assert await environment.db.fetchval("SELECT status FROM bookings") == "held"
    async with environment.working():
        await _until(environment, "SELECT status FROM bookings", "expired")


async def test_a_timer_that_fires_before_its_log_time_fires_again(environment: WorkerEnvironment) -> None:
    environment.clock_ms = lambda: int(time.time() * 1000) + 2_000  # type: ignore[method-assign]
    async with environment.working():
        await environment.decision(environment.put(_hold(environment, "1", hold_ms=1_500)))
        await _until(environment, "SELECT status FROM bookings", "expired")
    asked = await environment.db.fetchval(
        "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE '%ExpireHolds%'"
    )
    assert 2 <= asked <= 4


async def test_bookings_of_a_cancelled_show_are_cancelled_in_pages(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_rules, "CANCELLED_PER_COMMAND", 10)
    async with environment.working():
        for seat in range(1, 36):
            position = environment.put(environment.book(7, str(seat)))
        await environment.decision(position)
        cancel = CancelShow(command_id=uuid4(), show_id=7, user_id=1, staff=True)
        assert (await environment.decision(environment.put(cancel))).reason is None
        refused = await environment.decision(environment.put(environment.book(7, "50")))
        assert refused.reason is not None
        assert refused.reason.value == "show_cancelled"
        await _until(environment, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 35)
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 0
    assert await environment.db.fetchval("SELECT status FROM show_states") == "cancelled"
    pages = await environment.db.fetchval(
        "SELECT count(*) FROM decisions WHERE convert_from(command, 'UTF8') LIKE '%CancelShow%'"
    )
    assert 4 <= pages <= 8


async def test_bookings_of_a_cancelled_show_are_cancelled_after_a_crash(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show_rules, "CANCELLED_PER_COMMAND", 3)
    for seat in range(1, 8):
        environment.put(environment.book(7, str(seat)))
    environment.put(CancelShow(command_id=uuid4(), show_id=7, user_id=1, staff=True))
    worker = environment.worker()
    monkeypatch.setattr(worker._timers, "append_due", lambda: asyncio.sleep(0))
    async with environment.working(worker):
        await _until(environment, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 3)
    async with environment.working():
        await _until(environment, "SELECT count(*) FROM bookings WHERE status = 'cancelled'", 7)
