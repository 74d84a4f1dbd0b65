"""`aisle rebuild` makes of a show's decisions what the workers made of them, whatever has become of that."""

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
from tests.integration.house import House


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(command_id=uuid4(), show_id=7, user_id=3, staff=True, **fields)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(1)
    house = House(database_url, log)
    await house.open()
    house.put(house.open_show(7))
    house.put(house.open_show(77))
    house.put(house.book(77, "1", "2"))
    first = house.book(7, "1", "2")
    house.put(first)
    house.put(house.cancel(first))
    held = HoldSeats(**msgspec.structs.asdict(house.book(7, "1", "3")), hold_ms=600_000)
    house.put(held)
    house.put(ConfirmBooking(command_id=uuid4(), show_id=7, user_id=1, booking_id=held.booking_id))
    house.put(by_staff(CheckIn, booking_id=held.booking_id, seat="3"))
    house.put(HoldSeats(**msgspec.structs.asdict(house.book(7, "4")), hold_ms=600_000))
    house.put(by_staff(BlockSeats, seats=("50", "51")))
    house.put(by_staff(ChangeShow, seats_per_customer=99))
    house.put(house.book(7, "50"))
    async with house.working():
        await house.decision(house.put(by_staff(CloseShow)))
    yield house
    await house.db.close()


async def rows(house: House, table: str, schema: str = "public") -> list[str]:
    return [row[0] for row in await house.db.fetch(f"SELECT t::text FROM {schema}.{table} t ORDER BY 1")]


async def test_a_show_rebuilt_in_a_schema_of_its_own_is_what_is_stored(house: House) -> None:
    compared = await rebuild(house.database_url, 7, "rebuilt_show_7")
    assert [(c.table, c.stored, c.rebuilt, c.only_stored, c.only_rebuilt) for c in compared] == [
        ("show_states", 1, 1, 0, 0),
        ("claims", 5, 5, 0, 0),
        ("bookings", 3, 3, 0, 0),
    ]
    for table in ("show_states", "claims", "bookings"):
        stored = await house.db.fetch(f"SELECT t::text FROM {table} t WHERE show_id = 7 ORDER BY 1")
        assert await rows(house, table, "rebuilt_show_7") == [row[0] for row in stored]
    assert await house.db.fetchval("SELECT checked_in FROM rebuilt_show_7.bookings WHERE seats[2] = '3'")


async def test_what_was_changed_by_hand_shows_as_a_difference_and_stays(house: House) -> None:
    await house.db.execute("DELETE FROM claims WHERE show_id = 7 AND seat = 3")
    await house.db.execute("INSERT INTO claims VALUES (7, 80, 'b', NULL), (7, 81, 'b', NULL)")
    before = await rows(house, "claims")
    for _ in range(2):
        compared = {c.table: c for c in await rebuild(house.database_url, 7, "looking")}
        assert (compared["claims"].only_stored, compared["claims"].only_rebuilt) == (2, 1)
    assert await rows(house, "claims") == before


@pytest.mark.parametrize("name", ["public", "pg_catalog", "Rebuilt", "a b", "x; DROP TABLE claims", ""])
async def test_only_a_scratch_schema_is_written_to(house: House, name: str) -> None:
    with pytest.raises(CannotStart, match="not a name for a scratch schema"):
        await rebuild(house.database_url, 7, name)


async def test_a_schema_that_no_rebuild_made_is_left_alone(house: House) -> None:
    await house.db.execute("CREATE SCHEMA precious; CREATE TABLE precious.things ()")
    with pytest.raises(CannotStart, match="no rebuild made"):
        await rebuild(house.database_url, 7, "precious")
    assert await house.db.fetchval("SELECT count(*) FROM precious.things") == 0


async def test_put_in_place_it_mends_what_is_stored_and_nothing_else(house: House) -> None:
    good = {table: await rows(house, table) for table in ("show_states", "claims", "bookings")}
    await house.db.execute("UPDATE claims SET seat = seat + 10 WHERE show_id = 7")
    await house.db.execute("DELETE FROM bookings WHERE show_id = 7 AND status = 'confirmed'")
    await house.db.execute("UPDATE show_states SET available = 1, status = 'open' WHERE show_id = 7")
    compared = {c.table: c for c in await replace(house.database_url, 7)}
    assert (compared["bookings"].only_stored, compared["bookings"].only_rebuilt) == (0, 1)
    assert {table: await rows(house, table) for table in good} == good
    assert (await verify(house.database_url, house.log)).differences == []


async def test_a_worker_that_has_the_show_in_memory_is_fenced_and_its_successor_sees_what_is_in_place(
    house: House,
) -> None:
    house.put(house.open_show(8))
    booked = house.book(8, "1")
    worker = house.worker()
    running = asyncio.create_task(
        worker.run(house.log.reader(COMMANDS_TOPIC, "workers", worker), asyncio.Event())
    )
    await house.decision(house.put(booked))
    await house.db.execute("DELETE FROM claims WHERE show_id = 8")
    await replace(house.database_url, 8)
    position = house.put(house.book(8, "1", user_id=2))
    with pytest.raises(Fenced):
        await running
    await worker._ledger.close()
    async with house.working():
        decision = await house.decision(position)
    assert decision.reason is not None
    assert decision.reason.value == "seat_taken"
    assert (await verify(house.database_url, house.log)).differences == []


async def test_a_show_that_cannot_be_rebuilt_says_why(house: House) -> None:
    with pytest.raises(CannotStart, match="there is no show 99"):
        await rebuild(house.database_url, 99, "looking")
    await house.db.execute("DELETE FROM decisions WHERE log_offset = 0")
    for attempt in (rebuild(house.database_url, 7, "looking"), replace(house.database_url, 7)):
        with pytest.raises(CannotStart, match="opened show 7 is not stored"):
            await attempt
    assert await house.db.fetchval("SELECT count(*) FROM claims WHERE show_id = 7") == 5
