"""`aisle explain` shows the command, its decision and the earlier position that caused it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit.explain import NoSuchPosition, explain
from runtime.log.in_memory import MemoryLog
from schemas.commands import (
    BlockSeats,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    ReopenShow,
)
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC
from tests.integration.worker_environment import WorkerEnvironment

HOUR_MS = 3_600_000


class Clock:
    """The log's clock, set by the test."""

    def __init__(self) -> None:
        self.now_ms = int(time.time() * 1000)

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def environment(database_url: str, clock: Clock) -> AsyncIterator[WorkerEnvironment]:
    log = MemoryLog(clock)
    await log.create(1)
    environment = WorkerEnvironment(database_url, log)
    environment.clock_ms = clock  # type: ignore[method-assign]
    await environment.open()
    environment.put(environment.open_show(7, starts_ms=clock.now_ms + HOUR_MS, seats_per_customer=5))
    yield environment
    await environment.db.close()


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(command_id=uuid4(), show_id=7, user_id=3, staff=True, **fields)


def hold(environment: WorkerEnvironment, *seats: str, user_id: int = 1, hold_ms: int = 60_000) -> HoldSeats:
    return HoldSeats(**msgspec.structs.asdict(environment.book(7, *seats, user_id=user_id)), hold_ms=hold_ms)


async def explanation(environment: WorkerEnvironment, position: Position) -> str:
    """Returns the explanation once all commands are decided."""
    async with environment.working():
        await environment.decision(position)
        end = (await environment.log.bounds(COMMANDS_TOPIC))[0][1]
        await environment.decision(Position(0, end - 1))
    return "\n".join(await explain(environment.database_url, environment.log, position))


async def test_an_accepted_booking_and_its_later_status(environment: WorkerEnvironment) -> None:
    booked = environment.book(7, "1", "2")
    position = environment.put(booked)
    environment.put(environment.cancel(booked))
    text = await explanation(environment, position)
    assert text.startswith("0-1  20")
    assert f"asked    book 1, 2 of show 7 as booking {booked.booking_id}" in text
    assert f"by       customer, user 1; command id {booked.command_id}" in text
    assert "decided  accepted" in text
    assert f"why      booking {booked.booking_id} of user 1 confirmed: 1, 2, €20.00" in text
    assert "since    the booking is cancelled, by 0-2" in text


async def test_a_taken_seat_names_the_booking_and_position_that_took_it(
    environment: WorkerEnvironment,
) -> None:
    first = environment.book(7, "1", "2")
    environment.put(first)
    freed = environment.book(7, "3")
    environment.put(freed)
    environment.put(environment.cancel(freed))
    held = hold(environment, "3", user_id=2)
    environment.put(held)
    text = await explanation(environment, environment.put(environment.book(7, "4", "3", "2", "1", user_id=2)))
    assert "decided  refused, seat_taken: 1, 2, 3" in text
    assert (
        f"why      1, 2 were taken at 0-1, 4 before this, by another booking, {first.booking_id} of user 1"
        in text
    )
    assert (
        f"3 was held at 0-4, 1 before this, by another booking, {held.booking_id} of the same customer"
        in text
    )


async def test_a_blocked_seat_and_a_limit(environment: WorkerEnvironment) -> None:
    environment.put(by_staff(BlockSeats, seats=("9",)))
    environment.put(environment.book(7, "1", "2"))
    environment.put(hold(environment, "3", "4"))
    blocked = environment.put(environment.book(7, "9"))
    limited = environment.put(environment.book(7, "5", "6"))
    text = await explanation(environment, blocked)
    assert "why      9 was blocked at 0-1, 3 before this, by staff, user 3" in text
    text = await explanation(environment, limited)
    assert "why      limit of 5: the customer had 4 through 0-2, 0-3, and asked for 2" in text


async def test_an_expired_hold(environment: WorkerEnvironment, clock: Clock) -> None:
    held = hold(environment, "1")
    environment.put(held)
    clock.now_ms += 60_000
    confirm = ConfirmBooking(command_id=uuid4(), show_id=7, user_id=1, booking_id=held.booking_id)
    just_then = environment.put(confirm)
    later = environment.put(msgspec.structs.replace(confirm, command_id=uuid4()))
    text = await explanation(environment, just_then)
    assert "decided  refused, hold_expired" in text
    assert "why      the hold of 0-1 ran out 20" in text
    assert "log time, and was released just then" in text
    assert f"booking {held.booking_id} of user 1 expired: 1" in text
    assert "released at 0-2, 1 before this" in await explanation(environment, later)


async def test_the_times_and_the_status_of_the_show(environment: WorkerEnvironment, clock: Clock) -> None:
    later = clock.now_ms + 5_000
    environment.put(by_staff(ChangeShow, sales_start_ms=later))
    early = environment.put(environment.book(7, "1"))
    clock.now_ms = later
    environment.put(by_staff(CloseShow))
    closed = environment.put(environment.book(7, "1"))
    environment.put(by_staff(ReopenShow))
    clock.now_ms += HOUR_MS
    started = environment.put(environment.book(7, "1"))
    environment.put(by_staff(CancelShow))
    cancelled = environment.put(environment.book(7, "1"))
    assert "5000 ms later" in await explanation(environment, early)
    assert "the show was closed at 0-3, 1 before this, by staff, user 3" in await explanation(
        environment, closed
    )
    assert "why      the show started 20" in await explanation(environment, started)
    assert "the show was called off at 0-7, 1 before this, by staff, user 3" in await explanation(
        environment, cancelled
    )


async def test_bookings_of_others_and_earlier_changes(environment: WorkerEnvironment) -> None:
    booked = environment.book(7, "1", "2")
    environment.put(booked)
    others = environment.put(environment.cancel(booked, user_id=2))
    environment.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="2"))
    twice = environment.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="2"))
    used = environment.put(environment.cancel(booked))
    wrong = environment.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="3"))
    never = environment.put(environment.cancel(environment.book(7, "5")))
    assert "the booking is user 1's, and only staff may act for others" in await explanation(
        environment, others
    )
    assert "why      2 was let in at 0-3, 1 before this, 20" in await explanation(environment, twice)
    assert "why      2 was let in at 0-3, 2 before this, 20" in await explanation(environment, used)
    assert "3 is not a seat of that booking" in await explanation(environment, wrong)
    assert "there was no booking" in await explanation(environment, never)


async def test_the_best_seats_and_unknown_ones(environment: WorkerEnvironment) -> None:
    best = environment.book(7)
    environment.put(by_staff(BlockSeats, seats=tuple(str(n) for n in range(1, 99))))
    few = environment.put(msgspec.structs.replace(best, quantity=3))
    unknown = environment.put(environment.book(7, "1", "999", "X"))
    elsewhere = environment.put(environment.book(8, "1"))
    text = await explanation(environment, few)
    assert "asked    book the best 3 seats side by side of show 7" in text
    assert "2 of 100 seats were available" in text
    assert "has no 999, X" in await explanation(environment, unknown)
    assert "show 8 had not been opened on partition 0" in await explanation(environment, elsewhere)


async def test_repeats_and_reused_keys(environment: WorkerEnvironment) -> None:
    environment.put(environment.book(7, "1", user_id=2))
    refused = environment.book(7, "1")
    environment.put(refused)
    repeat = environment.put(refused)
    reused = environment.put(environment.book(7, "2", command_id=refused.command_id))
    text = await explanation(environment, repeat)
    assert "why      repeats 0-2, which has the same command id" in text
    assert "         1 was taken at 0-1, 1 before this" in text, "before the first of them"
    assert "why      its command id was used at 0-2 for another request" in await explanation(
        environment, reused
    )


async def test_a_record_that_is_not_a_command_is_shown_as_bytes(environment: WorkerEnvironment) -> None:
    text = await explanation(environment, environment.put(b"\xffrubbish" + b"x" * 5_000))
    assert "asked    nothing that can be read: b'\\xffrubbishxxx" in text
    assert "(5008 bytes)" in text
    assert "decided  refused, malformed" in text
    assert "why      the record is not a command: " in text
    assert len(text) < 1_000


async def test_a_pending_command_is_reported_as_pending(environment: WorkerEnvironment) -> None:
    await explanation(environment, Position(0, 0))
    environment.put(environment.book(7, "1"))
    position = environment.put(ExpireHolds(command_id=uuid4(), show_id=7, staff=True))
    text = "\n".join(await explain(environment.database_url, environment.log, position))
    assert "asked    release the holds of show 7 that have run out" in text
    assert "by       Aisle itself" in text
    assert "decided  not yet; it comes after 1 more" in text


@pytest.mark.parametrize(
    ("position", "why"),
    [(Position(0, 9), "has 0 to 0"), (Position(5, 0), "the log has 1 partitions")],
)
async def test_a_missing_position_is_an_error(
    environment: WorkerEnvironment, position: Position, why: str
) -> None:
    with pytest.raises(NoSuchPosition, match=why):
        await explain(environment.database_url, environment.log, position)


async def test_other_shows_and_later_decisions_are_ignored(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(70, starts_ms=2**50))
    environment.put(environment.book(70, "1", user_id=8))
    first = environment.put(environment.book(7, "1", user_id=2))
    position = environment.put(environment.book(7, "1"))
    environment.put(environment.book(7, "2", user_id=9))
    text = await explanation(environment, position)
    assert f"1 was taken at {first}, 1 before this" in text
    assert "user 8" not in text
    assert "user 9" not in text
