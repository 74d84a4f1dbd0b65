"""A crowd with all kinds of commands is verified, rebuilt, explained and reported without a contradiction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.catalogue.zones import read_zones
from gateway.reports.customers import customers
from gateway.reports.figures import ReportFigures
from gateway.reports.groups import sales
from gateway.reports.occupancy import occupancy
from gateway.reports.query import Period, ReportReader
from ops.audit.explain import explain
from ops.audit.rebuild import rebuild
from ops.audit.verify import verify
from runtime.log.in_memory import MemoryLog
from runtime.log.opening import bind_log
from schemas.commands import CancelShow, CloseShow, Command, ReopenShow
from schemas.events import BookingChanged, HoldExtended, SeatsBlocked, SeatsSwapped, SeatsUnblocked
from schemas.wire import COMMANDS_TOPIC, decode_decision, encode
from seat_workers.fold import DecidedRecord
from tests.integration.worker_environment import WorkerEnvironment
from tests.recorded.crowd import Crowd, ToAppend
from tests.recorded.recorded_catalogue import BEGAN_MS, PARTITIONS, SHOWS, store

MINUTE_MS = 60_000
EVER = Period(None, None)
_DECISIONS = (
    "SELECT partition, log_offset, at_ms, command, answer FROM decisions ORDER BY partition, log_offset"
)
_LIVE = """
SELECT show_id, booking_id, user_id, seats, status FROM bookings
 WHERE status IN ('held', 'confirmed') ORDER BY booking_id"""
_NEW_EVENTS = (BookingChanged, HoldExtended, SeatsSwapped, SeatsBlocked, SeatsUnblocked)


class CrowdEnvironment:
    """A crowd whose commands go through a seat worker, on a clock that goes with them."""

    def __init__(self, database_url: str) -> None:
        self.now_ms = BEGAN_MS
        self.crowd = Crowd(20310304)
        self.log = MemoryLog(lambda: self.now_ms)
        self.worker = WorkerEnvironment(database_url, self.log)
        self.worker.clock_ms = lambda: self.now_ms  # type: ignore[method-assign]

    async def run(self, rounds: int, commands: int) -> None:
        """Stores the shows, opens them, and lets the crowd act, after 4 and 16 minutes in turns."""
        self.worker.db = await asyncpg.connect(self.worker.database_url)
        await self.log.create(PARTITIONS)
        await bind_log(self.worker.db, self.log)
        await store(self.worker.db)
        async with self.worker.working():
            await self._put(self.crowd.open_all())
            await self._put(self.crowd.changes.paid())
        async with self.worker.working():  # with an empty memory
            for n in range(rounds):
                self.now_ms += (4, 16)[n % 2] * MINUTE_MS
                self.crowd.now_ms = self.now_ms
                await self._put(self.crowd.some(commands))

    async def _put(self, records: list[ToAppend]) -> None:
        for partition, body in records:
            self.worker.put(body, partition)
        async with asyncio.timeout(60):
            while await self._pending():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        rows = await self.worker.db.fetch(_LIVE)
        live = [(row[0], UUID(int=row[1].int), row[2], tuple(row[3])) for row in rows]
        self.crowd.live = live
        self.crowd.held = [one for one, row in zip(live, rows, strict=True) if row["status"] == "held"]

    async def _pending(self) -> bool:
        decided = dict(await self.worker.db.fetch("SELECT partition, next_offset FROM partitions"))
        bounds = await self.log.bounds(COMMANDS_TOPIC)
        return any(decided.get(partition) != end for partition, (_, end) in bounds.items())

    async def decisions(self) -> list[DecidedRecord]:
        """All decisions, in the order of the log."""
        return [DecidedRecord.stored(*row) for row in await self.worker.db.fetch(_DECISIONS)]


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[CrowdEnvironment]:
    environment = CrowdEnvironment(database_url)
    await environment.run(rounds=8, commands=150)
    yield environment
    await environment.worker.db.close()


async def test_a_crowd_leaves_no_contradiction(environment: CrowdEnvironment, database_url: str) -> None:
    decisions = await environment.decisions()
    _assert_that_everything_happened(decisions)
    for one in decisions:
        assert encode(decode_decision(one.answer)) == one.answer, one.position
    for how in ({"checkpoint": True}, {}, {"from_start": True}):
        assert (await verify(database_url, environment.log, **how)).differences == []
    for show in SHOWS:
        if show.show_id != 9:
            for table in await rebuild(database_url, show.show_id, "again"):
                assert (table.only_stored, table.only_rebuilt) == (0, 0), (show.show_id, table)
    await _assert_that_reports_agree(environment, database_url)
    for one in decisions:
        if any(isinstance(event, _NEW_EVENTS) for event in one.decision.events) or one.decision.reason:
            text = await explain(database_url, environment.log, one.position)
            assert any(line.startswith("why ") for line in text), (one.position, text)


def _assert_that_everything_happened(decisions: list[DecidedRecord]) -> None:
    accepted = {type(one.command) for one in decisions if one.command and one.decision.reason is None}
    assert accepted >= set(Command.__args__) - {CancelShow, CloseShow, ReopenShow}
    events = [event for one in decisions for event in one.decision.events]
    counted = Counter(type(event) for event in events)
    assert min(counted[kind] for kind in _NEW_EVENTS) >= 5, counted
    assert any(event.release_ms and event.code for event in events if isinstance(event, SeatsBlocked))
    assert any(not event.booking.owned for event in events if hasattr(event, "booking"))


async def _assert_that_reports_agree(environment: CrowdEnvironment, database_url: str) -> None:
    """The sums of reports are those of the bookings and claims that are there."""
    fetch = environment.worker.db.fetch
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        zones = await read_zones(pool, "UTC")
        reader = ReportReader(pool, ReportFigures(pool, zones))
        by_show = await reader.page(sales("show", EVER), 99, None)
        by_customer = await reader.page(customers(EVER), 99, None)
        now = await reader.page(occupancy(None, EVER, zones), 99, None)
    assert {row.show_id: (row.net_seats, row.net.amount) for row in by_show.items if row.net_seats} == {
        show_id: (seats, total)
        for show_id, seats, total in await fetch(
            "SELECT show_id, sum(cardinality(seats)), sum(total) FROM bookings WHERE status = 'confirmed' GROUP BY 1"
        )
    }
    per_customer: dict[tuple[int | None, str], tuple[int, int]] = {
        (row["user_id"] or None, row["currency"]): (row["seats"], row["total"])
        for row in await fetch(
            "SELECT user_id, currency, sum(cardinality(seats)) AS seats, sum(total) AS total FROM bookings"
            " WHERE status = 'confirmed' GROUP BY user_id, currency"
        )
    }
    assert {
        (row.user_id, row.net.currency): (row.net_seats, row.net.amount)
        for row in by_customer.items
        if row.net_seats
    } == per_customer
    assert {user_id for user_id, _ in per_customer} >= {None, 5}
    claims: Any = Counter()
    for show_id, state, seats in await fetch(
        "SELECT show_id, state::text, count(*) FROM claims GROUP BY 1, 2"
    ):
        claims[show_id, state] = seats
    assert {(row.show_id, "s"): row.sold for row in now.items} | {
        (row.show_id, "h"): row.held for row in now.items
    } | {(row.show_id, "b"): row.blocked for row in now.items} == {
        (show.show_id, state): claims[show.show_id, state] for show in SHOWS for state in "shb"
    }
