"""`aisle verify` and `aisle rebuild` know changed bookings, extended holds, payment and blocks."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit.rebuild import rebuild, replace
from ops.audit.verify import verify
from runtime.log.in_memory import MemoryLog
from schemas.commands import (
    BlockSeats,
    BookSeats,
    ChangeSeats,
    ChangeShow,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from tests.integration.worker_environment import WorkerEnvironment

TABLES = ("show_states", "claims", "bookings")


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(command_id=uuid4(), show_id=7, user_id=3, staff=True, **fields)


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    """A show whose stored columns all have values of their own."""
    now_ms = int(time.time() * 1000)
    log = MemoryLog(lambda: now_ms)
    await log.create(1)
    environment = WorkerEnvironment(database_url, log)
    await environment.open()

    def hold(seat: str) -> HoldSeats:
        given = msgspec.structs.asdict(environment.book(7, seat))
        return HoldSeats(**given | {"staff": True, "paid": True}, hold_ms=600_000)

    booked, other = environment.book(7, "1", "2"), environment.book(7, "5", "6")
    paid = BookSeats(**msgspec.structs.asdict(environment.book(7, "9")) | {"staff": True, "paid": True})
    held, confirmed = hold("20"), hold("21")
    before: list[Command] = [environment.open_show(7, payment="required")]
    before += [msgspec.structs.replace(one, staff=True) for one in (booked, other)]
    before += [paid, held, confirmed]
    after: list[Command] = [
        *(by_staff(ExtendHold, booking_id=one.booking_id) for one in (held, confirmed)),
        by_staff(ConfirmBooking, booking_id=confirmed.booking_id),
        by_staff(ChangeSeats, booking_id=booked.booking_id, seats=("2", "3", "4")),
        by_staff(SwapSeats, booking_id=other.booking_id, with_booking_id=held.booking_id),
        by_staff(BlockSeats, seats=("50", "51")),
        by_staff(BlockSeats, seats=("51", "52"), code="press", release_ms=now_ms + 900_000),
        by_staff(ChangeShow, seats_per_customer=99),
    ]
    for command in before:
        environment.put(command)
    now_ms += 60_000
    positions = [environment.put(command) for command in after]
    async with environment.working():
        assert [(await environment.decision(one)).reason for one in positions] == [None] * len(after)
    yield environment
    await environment.db.close()


async def differences(environment: WorkerEnvironment, **how: bool) -> list[str]:
    return (await verify(environment.database_url, environment.log, **how)).differences


async def rows(environment: WorkerEnvironment) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in await environment.db.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")]
        for table in TABLES
    }


async def test_rows_are_as_decided_from_the_start_and_from_a_checkpoint(
    environment: WorkerEnvironment,
) -> None:
    assert await differences(environment, checkpoint=True) == []
    again = await verify(environment.database_url, environment.log)
    assert (again.differences, again.commands, again.before_checkpoint) == ([], 0, 14)


async def test_a_show_is_rebuilt_from_its_decisions(environment: WorkerEnvironment) -> None:
    compared = await rebuild(environment.database_url, 7, "rebuilt_show_7")
    assert [(c.table, c.stored, c.only_stored, c.only_rebuilt) for c in compared] == [
        ("show_states", 1, 0, 0),
        ("claims", 11, 0, 0),
        ("bookings", 5, 0, 0),
    ]
    good = await rows(environment)
    await environment.db.execute(
        "UPDATE claims SET code = 'x', release_ms = 1; UPDATE show_states SET payment = 'none';"
        "UPDATE bookings SET paid = NOT paid, hold_ms = 7, seats = '{}', total = 1"
    )
    await replace(environment.database_url, 7)
    assert await rows(environment) == good


@pytest.mark.parametrize("from_start", [True, False])
@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("UPDATE claims SET code = NULL WHERE seat = 51", "seat 52 is not claimed"),
        ("UPDATE claims SET release_ms = release_ms + 1 WHERE seat = 51", "seat 52 is not claimed"),
        ("UPDATE claims SET code = 'press' WHERE seat = 49", "seat 50 is not claimed"),
        ("UPDATE claims SET code = 'press' WHERE seat = 8", "seat 9 is not claimed"),
        ("UPDATE bookings SET paid = false WHERE seats = '{9}'", "paid=True"),
        ("UPDATE bookings SET hold_ms = NULL WHERE status = 'held'", "hold_ms=600000"),
        ("UPDATE bookings SET hold_ms = 1 WHERE status = 'confirmed'", "'hold_ms': 1,"),
        (
            "UPDATE bookings SET seats = '{1,2}', total = 2000 WHERE seats = '{2,3,4}'",
            "seats=('2', '3', '4')",
        ),
        ("UPDATE show_states SET payment = 'none'", "payment is none, and should be required"),
    ],
)
async def test_changed_columns_are_reported(
    environment: WorkerEnvironment, tampering: str, expected: str, from_start: bool
) -> None:
    assert await differences(environment, checkpoint=True) == []
    assert await environment.db.execute(tampering) != "UPDATE 0"
    found = await differences(environment, from_start=from_start)
    assert any(expected in difference for difference in found), found


async def test_a_checkpoint_of_release_1_is_read(environment: WorkerEnvironment) -> None:
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("UPDATE claims SET code = NULL, release_ms = NULL")
    compressed = await environment.db.fetchval("SELECT state FROM verify_checkpoint_shows")
    state = msgspec.json.decode(zlib.decompress(compressed))
    assert {seat for seat, _ in state.pop("blocks")} == {50, 51}
    earlier = zlib.compress(msgspec.json.encode(state))
    await environment.db.execute("UPDATE verify_checkpoint_shows SET state = $1", earlier)
    assert await differences(environment) == []
