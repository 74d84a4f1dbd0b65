"""`aisle rebuild` restores the rows that the workers wrote from the decisions of a show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit.rebuild import rebuild, replace
from ops.audit.verify import verify
from runtime.log.in_memory import MemoryLog
from runtime.process import CannotStart
from schemas.commands import BlockSeats, ChangeShow, CheckIn, CloseShow, ConfirmBooking, HoldSeats
from schemas.wire import COMMANDS_TOPIC
from seat_workers.ledger import Fenced
from tests.integration.worker_environment import WorkerEnvironment


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(command_id=uuid4(), show_id=7, user_id=3, staff=True, **fields)


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(1)
    environment = WorkerEnvironment(database_url, log)
    await environment.open()
    environment.put(environment.open_show(7))
    environment.put(environment.open_show(77))
    environment.put(environment.book(77, "1", "2"))
    first = environment.book(7, "1", "2")
    environment.put(first)
    environment.put(environment.cancel(first))
    held = HoldSeats(**msgspec.structs.asdict(environment.book(7, "1", "3")), hold_ms=600_000)
    environment.put(held)
    environment.put(ConfirmBooking(command_id=uuid4(), show_id=7, user_id=1, booking_id=held.booking_id))
    environment.put(by_staff(CheckIn, booking_id=held.booking_id, seat="3"))
    environment.put(HoldSeats(**msgspec.structs.asdict(environment.book(7, "4")), hold_ms=600_000))
    environment.put(by_staff(BlockSeats, seats=("50", "51")))
    environment.put(by_staff(ChangeShow, seats_per_customer=99))
    environment.put(environment.book(7, "50"))
    async with environment.working():
        await environment.decision(environment.put(by_staff(CloseShow)))
    yield environment
    await environment.db.close()


async def rows(environment: WorkerEnvironment, table: str, schema: str = "public") -> list[str]:
    return [
        row[0] for row in await environment.db.fetch(f"SELECT t::text FROM {schema}.{table} t ORDER BY 1")
    ]


async def test_a_rebuilt_show_equals_the_stored_one(
    environment: WorkerEnvironment,
) -> None:
    compared = await rebuild(environment.database_url, 7, "rebuilt_show_7")
    assert [(c.table, c.stored, c.rebuilt, c.only_stored, c.only_rebuilt) for c in compared] == [
        ("show_states", 1, 1, 0, 0),
        ("claims", 5, 5, 0, 0),
        ("bookings", 3, 3, 0, 0),
    ]
    for table in ("show_states", "claims", "bookings"):
        stored = await environment.db.fetch(f"SELECT t::text FROM {table} t WHERE show_id = 7 ORDER BY 1")
        assert await rows(environment, table, "rebuilt_show_7") == [row[0] for row in stored]
    assert await environment.db.fetchval(
        "SELECT checked_in FROM rebuilt_show_7.bookings WHERE seats[2] = '3'"
    )


async def test_a_manual_change_is_reported_and_not_reverted(
    environment: WorkerEnvironment,
) -> None:
    await environment.db.execute("DELETE FROM claims WHERE show_id = 7 AND seat = 3")
    await environment.db.execute("INSERT INTO claims VALUES (7, 80, 'b', NULL), (7, 81, 'b', NULL)")
    before = await rows(environment, "claims")
    for _ in range(2):
        compared = {c.table: c for c in await rebuild(environment.database_url, 7, "looking")}
        assert (compared["claims"].only_stored, compared["claims"].only_rebuilt) == (2, 1)
    assert await rows(environment, "claims") == before


@pytest.mark.parametrize("name", ["public", "pg_catalog", "Rebuilt", "a b", "x; DROP TABLE claims", ""])
async def test_only_a_scratch_schema_is_accepted(environment: WorkerEnvironment, name: str) -> None:
    with pytest.raises(CannotStart, match="not a name for a scratch schema"):
        await rebuild(environment.database_url, 7, name)


async def test_a_schema_of_another_origin_is_not_replaced(environment: WorkerEnvironment) -> None:
    await environment.db.execute("CREATE SCHEMA precious; CREATE TABLE precious.things ()")
    with pytest.raises(CannotStart, match="no rebuild made"):
        await rebuild(environment.database_url, 7, "precious")
    assert await environment.db.fetchval("SELECT count(*) FROM precious.things") == 0


async def test_replace_corrects_the_rows_of_this_show_only(environment: WorkerEnvironment) -> None:
    good = {table: await rows(environment, table) for table in ("show_states", "claims", "bookings")}
    await environment.db.execute("UPDATE claims SET seat = seat + 10 WHERE show_id = 7")
    await environment.db.execute("DELETE FROM bookings WHERE show_id = 7 AND status = 'confirmed'")
    await environment.db.execute("UPDATE show_states SET available = 1, status = 'open' WHERE show_id = 7")
    compared = {c.table: c for c in await replace(environment.database_url, 7)}
    assert (compared["bookings"].only_stored, compared["bookings"].only_rebuilt) == (0, 1)
    assert {table: await rows(environment, table) for table in good} == good
    assert (await verify(environment.database_url, environment.log)).differences == []


async def test_replace_fences_the_worker_and_its_successor_loads_the_new_rows(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(8))
    booked = environment.book(8, "1")
    worker = environment.worker()
    running = asyncio.create_task(
        worker.run(environment.log.reader(COMMANDS_TOPIC, "workers", worker), asyncio.Event())
    )
    await environment.decision(environment.put(booked))
    await environment.db.execute("DELETE FROM claims WHERE show_id = 8")
    await replace(environment.database_url, 8)
    position = environment.put(environment.book(8, "1", user_id=2))
    with pytest.raises(Fenced):
        await running
    await worker._ledger.close()
    async with environment.working():
        decision = await environment.decision(position)
    assert decision.reason is not None
    assert decision.reason.value == "seat_taken"
    assert (await verify(environment.database_url, environment.log)).differences == []


async def test_the_error_of_an_impossible_rebuild_names_the_reason(environment: WorkerEnvironment) -> None:
    with pytest.raises(CannotStart, match="there is no show 99"):
        await rebuild(environment.database_url, 99, "looking")
    await environment.db.execute("DELETE FROM decisions WHERE log_offset = 0")
    for attempt in (rebuild(environment.database_url, 7, "looking"), replace(environment.database_url, 7)):
        with pytest.raises(CannotStart, match="opened show 7 is not stored"):
            await attempt
    assert await environment.db.fetchval("SELECT count(*) FROM claims WHERE show_id = 7") == 5
