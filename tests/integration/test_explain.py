"""`aisle explain` says what was asked, what was decided, and which earlier position is behind it."""

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
from tests.integration.house import House

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
async def house(database_url: str, clock: Clock) -> AsyncIterator[House]:
    log = MemoryLog(clock)
    await log.create(1)
    house = House(database_url, log)
    house.clock_ms = clock  # type: ignore[method-assign]
    await house.open()
    house.put(house.open_show(7, starts_ms=clock.now_ms + HOUR_MS, seats_per_customer=5))
    yield house
    await house.db.close()


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(command_id=uuid4(), show_id=7, user_id=3, staff=True, **fields)


def hold(house: House, *seats: str, user_id: int = 1, hold_ms: int = 60_000) -> HoldSeats:
    return HoldSeats(**msgspec.structs.asdict(house.book(7, *seats, user_id=user_id)), hold_ms=hold_ms)


async def told(house: House, position: Position) -> str:
    """What is explained once everything that was put has been decided."""
    async with house.working():
        await house.decision(position)
        end = (await house.log.bounds(COMMANDS_TOPIC))[0][1]
        await house.decision(Position(0, end - 1))
    return "\n".join(await explain(house.database_url, house.log, position))


async def test_an_accepted_booking_and_what_became_of_it(house: House) -> None:
    booked = house.book(7, "1", "2")
    position = house.put(booked)
    house.put(house.cancel(booked))
    text = await told(house, position)
    assert text.startswith("0-1  20")
    assert f"asked    book 1, 2 of show 7 as booking {booked.booking_id}" in text
    assert f"by       customer, user 1; command id {booked.command_id}" in text
    assert "decided  accepted" in text
    assert f"why      booking {booked.booking_id} of user 1 confirmed: 1, 2, €20.00" in text
    assert "since    the booking is cancelled, by 0-2" in text


async def test_a_taken_seat_tells_who_took_it_and_where(house: House) -> None:
    first = house.book(7, "1", "2")
    house.put(first)
    freed = house.book(7, "3")
    house.put(freed)
    house.put(house.cancel(freed))
    held = hold(house, "3", user_id=2)
    house.put(held)
    text = await told(house, house.put(house.book(7, "4", "3", "2", "1", user_id=2)))
    assert "decided  refused, seat_taken: 1, 2, 3" in text
    assert (
        f"why      1, 2 were taken at 0-1, 4 before this, by another booking, {first.booking_id} of user 1"
        in text
    )
    assert (
        f"3 was held at 0-4, 1 before this, by another booking, {held.booking_id} of the same customer"
        in text
    )


async def test_a_blocked_seat_and_a_limit(house: House) -> None:
    house.put(by_staff(BlockSeats, seats=("9",)))
    house.put(house.book(7, "1", "2"))
    house.put(hold(house, "3", "4"))
    blocked = house.put(house.book(7, "9"))
    limited = house.put(house.book(7, "5", "6"))
    text = await told(house, blocked)
    assert "why      9 was blocked at 0-1, 3 before this, by staff, user 3" in text
    text = await told(house, limited)
    assert "why      limit of 5: the customer had 4 through 0-2, 0-3, and asked for 2" in text


async def test_a_hold_that_ran_out(house: House, clock: Clock) -> None:
    held = hold(house, "1")
    house.put(held)
    clock.now_ms += 60_000
    confirm = ConfirmBooking(command_id=uuid4(), show_id=7, user_id=1, booking_id=held.booking_id)
    just_then = house.put(confirm)
    later = house.put(msgspec.structs.replace(confirm, command_id=uuid4()))
    text = await told(house, just_then)
    assert "decided  refused, hold_expired" in text
    assert "why      the hold of 0-1 ran out 20" in text
    assert "log time, and was released just then" in text
    assert f"booking {held.booking_id} of user 1 expired: 1" in text
    assert "released at 0-2, 1 before this" in await told(house, later)


async def test_the_times_and_the_status_of_the_show(house: House, clock: Clock) -> None:
    later = clock.now_ms + 5_000
    house.put(by_staff(ChangeShow, sales_start_ms=later))
    early = house.put(house.book(7, "1"))
    clock.now_ms = later
    house.put(by_staff(CloseShow))
    closed = house.put(house.book(7, "1"))
    house.put(by_staff(ReopenShow))
    clock.now_ms += HOUR_MS
    started = house.put(house.book(7, "1"))
    house.put(by_staff(CancelShow))
    cancelled = house.put(house.book(7, "1"))
    assert "5000 ms later" in await told(house, early)
    assert "the show was closed at 0-3, 1 before this, by staff, user 3" in await told(house, closed)
    assert "why      the show started 20" in await told(house, started)
    assert "the show was called off at 0-7, 1 before this, by staff, user 3" in await told(house, cancelled)


async def test_bookings_of_others_and_what_was_done_before(house: House) -> None:
    booked = house.book(7, "1", "2")
    house.put(booked)
    others = house.put(house.cancel(booked, user_id=2))
    house.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="2"))
    twice = house.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="2"))
    used = house.put(house.cancel(booked))
    wrong = house.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="3"))
    never = house.put(house.cancel(house.book(7, "5")))
    assert "the booking is user 1's, and only staff may act for others" in await told(house, others)
    assert "why      2 was let in at 0-3, 1 before this, 20" in await told(house, twice)
    assert "why      2 was let in at 0-3, 2 before this, 20" in await told(house, used)
    assert "3 is not a seat of that booking" in await told(house, wrong)
    assert "there was no booking" in await told(house, never)


async def test_the_best_seats_and_unknown_ones(house: House) -> None:
    best = house.book(7)
    house.put(by_staff(BlockSeats, seats=tuple(str(n) for n in range(1, 99))))
    few = house.put(msgspec.structs.replace(best, quantity=3))
    unknown = house.put(house.book(7, "1", "999", "X"))
    elsewhere = house.put(house.book(8, "1"))
    text = await told(house, few)
    assert "asked    book the best 3 seats side by side of show 7" in text
    assert "2 of 100 seats were available" in text
    assert "has no 999, X" in await told(house, unknown)
    assert "show 8 had not been opened on partition 0" in await told(house, elsewhere)


async def test_repeats_and_keys_used_for_something_else(house: House) -> None:
    house.put(house.book(7, "1", user_id=2))
    refused = house.book(7, "1")
    house.put(refused)
    repeat = house.put(refused)
    reused = house.put(house.book(7, "2", command_id=refused.command_id))
    text = await told(house, repeat)
    assert "why      repeats 0-2, which has the same command id" in text
    assert "         1 was taken at 0-1, 1 before this" in text, "before the first of them"
    assert "why      its command id was used at 0-2 for another request" in await told(house, reused)


async def test_what_is_not_a_command_is_shown_in_its_bytes(house: House) -> None:
    text = await told(house, house.put(b"\xffrubbish" + b"x" * 5_000))
    assert "asked    nothing that can be read: b'\\xffrubbishxxx" in text
    assert "(5008 bytes)" in text
    assert "decided  refused, malformed" in text
    assert "why      the record is not a command: " in text
    assert len(text) < 1_000


async def test_what_is_not_decided_yet_says_so(house: House) -> None:
    await told(house, Position(0, 0))
    house.put(house.book(7, "1"))
    position = house.put(ExpireHolds(command_id=uuid4(), show_id=7, staff=True))
    text = "\n".join(await explain(house.database_url, house.log, position))
    assert "asked    release the holds of show 7 that have run out" in text
    assert "by       Aisle itself" in text
    assert "decided  not yet; it comes after 1 more" in text


@pytest.mark.parametrize(
    ("position", "why"),
    [(Position(0, 9), "has 0 to 0"), (Position(5, 0), "the log has 1 partitions")],
)
async def test_a_position_that_is_not_there_says_so(house: House, position: Position, why: str) -> None:
    with pytest.raises(NoSuchPosition, match=why):
        await explain(house.database_url, house.log, position)


async def test_it_looks_at_this_show_alone_and_at_nothing_later(house: House) -> None:
    house.put(house.open_show(70, starts_ms=2**50))
    house.put(house.book(70, "1", user_id=8))
    first = house.put(house.book(7, "1", user_id=2))
    position = house.put(house.book(7, "1"))
    house.put(house.book(7, "2", user_id=9))
    text = await told(house, position)
    assert f"1 was taken at {first}, 1 before this" in text
    assert "user 8" not in text
    assert "user 9" not in text
