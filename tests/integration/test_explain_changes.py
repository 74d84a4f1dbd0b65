"""`aisle explain` describes changed bookings, extended holds, walk-ins, kinds of seats and blocks that end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit.explain import explain
from runtime.log.in_memory import MemoryLog
from schemas.api import timestamp
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    ChangeSeats,
    CheckIn,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from schemas.ids import Position
from schemas.layout import Layout, Money, Row, Section
from schemas.wire import COMMANDS_TOPIC
from tests.integration.worker_environment import WorkerEnvironment

DAY_MS = 24 * 3_600_000
MINUTE_MS = 60_000
LAYOUT = Layout(
    (
        Section("", Money(1000, "EUR"), (Row("", 20), Row("W", 8))),
        Section("Box", Money(5000, "EUR"), (Row("L", 4),)),
    ),
    accessible=("W2", "W5"),
    companions=("W1", "W3", "W4", "W8"),
)


class Hall:
    """A show with seats of several kinds and prices, on a clock that the test sets."""

    def __init__(self, environment: WorkerEnvironment) -> None:
        self.environment = environment
        self.now_ms = environment.clock_ms()
        self.starts_ms = self.now_ms + 3 * DAY_MS

    def put(self, command: type[Any], user_id: int = 1, /, **fields: Any) -> Position:
        """Appends a command of show 7."""
        return self.environment.put(command(command_id=uuid4(), show_id=7, user_id=user_id, **fields))

    def by_staff(self, command: type[Any], /, **fields: Any) -> Position:
        """Appends a command of a member of staff."""
        return self.put(command, 3, staff=True, **fields)

    def book(self, *seats: str, **fields: Any) -> BookSeats:
        """Appends a booking and returns it."""
        booked = self.environment.book(7, *seats)
        booked = msgspec.structs.replace(booked, **fields)
        self.environment.put(booked)
        return booked

    def hold(self, *seats: str, **fields: Any) -> HoldSeats:
        """Appends a hold and returns it."""
        given = msgspec.structs.asdict(self.environment.book(7, *seats))
        held = HoldSeats(**given | {"hold_ms": 10 * MINUTE_MS} | fields)
        self.environment.put(held)
        return held

    async def explained(self, position: Position) -> str:
        """Returns the explanation once all commands are decided."""
        environment = self.environment
        async with environment.working():
            end = (await environment.log.bounds(COMMANDS_TOPIC))[0][1]
            await environment.decision(Position(0, end - 1))
        return "\n".join(await explain(environment.database_url, environment.log, position))


@pytest.fixture
async def hall(database_url: str) -> AsyncIterator[Hall]:
    started_ms = int(time.time() * 1000)
    log = MemoryLog(lambda: made.now_ms)
    environment = WorkerEnvironment(database_url, log)
    environment.clock_ms = lambda: started_ms  # type: ignore[method-assign]
    made = Hall(environment)
    await log.create(1)
    await environment.open(layout=LAYOUT)
    terms = {"starts_ms": made.starts_ms, "seats_per_customer": 6, "payment": "required"}
    environment.put(environment.open_show(7, **terms))
    yield made
    await environment.db.close()


STAFF: dict[str, Any] = {"staff": True, "user_id": 3}


async def test_changed_and_exchanged_seats(hall: Hall) -> None:
    one = hall.book("1", "2", **STAFF, customer_id=1, paid=True)
    other = hall.book("L1", **STAFF, walk_in=True, lift_limit=True)
    changed = hall.by_staff(ChangeSeats, booking_id=one.booking_id, seats=("2", "3", "4"))
    freed = hall.book("1", **STAFF, customer_id=2)
    swapped = hall.by_staff(SwapSeats, booking_id=one.booking_id, with_booking_id=other.booking_id)
    taken = hall.by_staff(BookSeats, booking_id=uuid4(), seats=("2", "L1", "1"), customer_id=1)
    text = await hall.explained(Position(0, 1))
    assert f"asked    book 1, 2 of show 7 as booking {one.booking_id} for user 1, paid for" in text
    assert f"why      booking {one.booking_id} of user 1 confirmed: 1, 2, €20.00, paid" in text
    assert f"since    the booking is confirmed and has L1, by {swapped}" in text
    text = await hall.explained(Position(0, 2))
    assert f"as booking {other.booking_id} for a walk-in, without the customer's limit" in text
    assert f"why      booking {other.booking_id} of a walk-in confirmed: L1, €50.00" in text
    text = await hall.explained(changed)
    assert f"asked    give booking {one.booking_id} of show 7 the seats 2, 3, 4" in text
    assert f"booking {one.booking_id} of user 1 has 2, 3, 4, €30.00, paid, instead of 1, 2, €20.00" in text
    assert f"since    the booking is confirmed and has L1, by {swapped}" in text
    assert f"booking {freed.booking_id} of user 2 confirmed: 1" in await hall.explained(Position(0, 4))
    text = await hall.explained(swapped)
    assert (
        f"asked    exchange the seats of bookings {one.booking_id} and {other.booking_id} of show 7" in text
    )
    assert (
        f"booking {one.booking_id} of user 1 and booking {other.booking_id} of a walk-in have exchanged their"
        " seats: the first has L1, €50.00, paid, the other 2, 3, 4, €30.00"
    ) in text
    assert "since" not in text
    text = await hall.explained(taken)
    assert (
        f"2 was taken at {swapped}, 1 before this, by another booking, {other.booking_id} of a walk-in"
        in text
    )
    assert (
        f"L1 was taken at {swapped}, 1 before this, by another booking, {one.booking_id} of the same" in text
    )
    assert f"1 was taken at 0-4, 2 before this, by another booking, {freed.booking_id} of user 2" in text


async def test_refused_changes(hall: Hall) -> None:
    paid = hall.book("1", "2", **STAFF, customer_id=1, paid=True)
    walk_in = hall.book("5", **STAFF, walk_in=True)
    mine = hall.book("6", **STAFF, customer_id=1)
    gone = hall.book("7", **STAFF, customer_id=1)
    hall.by_staff(CancelBooking, booking_id=gone.booking_id)
    hall.by_staff(CheckIn, booking_id=mine.booking_id, seat="6")
    change = {"booking_id": paid.booking_id}
    expected = {
        hall.put(ChangeSeats, **change, seats=("1", "2", "3")): "the booking has 2 seats, and a customer",
        hall.put(ChangeSeats, **change, seats=("1", "L1")): "the booking is paid for, €20.00, and the seats",
        hall.put(ChangeSeats, **change, seats=("1", "5")): f"{walk_in.booking_id} of a walk-in",
        hall.by_staff(ChangeSeats, **change, seats=("1", "6")): f"{mine.booking_id} of the same customer",
        hall.put(ChangeSeats, booking_id=walk_in.booking_id, seats=("9",)): "the booking is a walk-in's, and",
        hall.put(ChangeSeats, booking_id=mine.booking_id, seats=("9",)): "6 was let in at 0-6",
        hall.put(ChangeSeats, booking_id=gone.booking_id, seats=("9",)): "was cancelled at 0-5",
        hall.by_staff(
            SwapSeats, booking_id=paid.booking_id, with_booking_id=mine.booking_id
        ): "why      6 was let in at 0-6",
        hall.by_staff(
            SwapSeats, booking_id=paid.booking_id, with_booking_id=gone.booking_id
        ): "why      the booking was cancelled at 0-5",
        hall.by_staff(
            SwapSeats, booking_id=gone.booking_id, with_booking_id=mine.booking_id
        ): "at 0-5, 11 before",
        hall.by_staff(
            SwapSeats, booking_id=paid.booking_id, with_booking_id=uuid4()
        ): "why      there was no booking ",
        hall.by_staff(
            SwapSeats, booking_id=paid.booking_id, with_booking_id=paid.booking_id
        ): "why      it names one booking twice",
        hall.put(
            SwapSeats, booking_id=paid.booking_id, with_booking_id=mine.booking_id
        ): "why      only staff may exchange the seats",
        hall.by_staff(
            ChangeSeats, **change, seats=tuple(str(n) for n in range(1, 12))
        ): "a request has at most 10 seats",
        hall.put(ConfirmBooking, booking_id=mine.booking_id): "the booking was confirmed at 0-3",
    }
    for position, why in expected.items():
        assert why in await hall.explained(position)


async def test_extended_holds(hall: Hall) -> None:
    held = hall.hold("1")
    extend = {"booking_id": held.booking_id}
    hall.now_ms += 5 * MINUTE_MS
    extended = hall.put(ExtendHold, **extend)
    changed = hall.put(ChangeSeats, **extend, seats=("2",))
    hall.now_ms += 9 * MINUTE_MS
    hall.put(ExtendHold, **extend)
    hall.now_ms += 9 * MINUTE_MS
    last = hall.put(ExtendHold, **extend)
    beyond = hall.put(ExtendHold, **extend)
    unpaid = hall.put(ConfirmBooking, **extend)
    hall.now_ms += 10 * MINUTE_MS
    expired = hall.put(ExtendHold, **extend)
    ends = timestamp(hall.environment.clock_ms() + 30 * MINUTE_MS)
    text = await hall.explained(extended)
    assert f"asked    extend the hold of booking {held.booking_id} of show 7" in text
    first_end = timestamp(hall.environment.clock_ms() + 15 * MINUTE_MS)
    assert f"why      booking {held.booking_id} of user 1 extended until {first_end}: 1, €10.00" in text
    assert "has 2, €10.00, instead of 1, €10.00" in await hall.explained(changed)
    assert f"extended until {ends}" in await hall.explained(last)
    extensions = "the hold of 0-1, extended at 0-2, 0-4, 0-5,"
    assert f"{extensions} ends {ends}; no hold is extended beyond {ends}" in await hall.explained(beyond)
    assert "why      customers pay for this show before" in await hall.explained(unpaid)
    assert f"{extensions} ran out {ends} log time, and was released just then" in await hall.explained(
        expired
    )


async def test_companion_seats_and_payment(hall: Hall) -> None:
    lone = hall.put(HoldSeats, booking_id=uuid4(), seats=("W2", "W1", "W3", "W4", "W8"), hold_ms=60_000)
    best = hall.put(HoldSeats, booking_id=uuid4(), quantity=2, kind="accessible", hold_ms=60_000)
    cheap = hall.put(
        HoldSeats, booking_id=uuid4(), quantity=9, max_price=Money(1050, "EUR"), hold_ms=60_000, section="Box"
    )
    unpaid = hall.put(BookSeats, booking_id=uuid4(), seats=("1",))
    text = await hall.explained(lone)
    assert "decided  refused, companion_only: W4, W8" in text
    for label in ("W4", "W8"):
        assert (
            f"{label} has no accessible seat beside it that was asked for too, or is the customer's" in text
        )
    assert f"until {timestamp(hall.starts_ms - DAY_MS)} companion seats are kept for" in text
    assert "asked    hold for 60 s the best 2 accessible and companion seats side by side" in (
        await hall.explained(best)
    )
    text = await hall.explained(cheap)
    assert "the best 9 seats side by side in 'Box' for at most €10.50 each of show 7" in text
    assert "30 of 32 seats were available" in text
    assert "not paid for" in await hall.explained(unpaid)
    assert "customers pay before a booking is confirmed" in await hall.explained(Position(0, 0))


async def test_blocks_that_end_and_bookings_in_the_way(hall: Hall) -> None:
    until_ms = hall.now_ms + 10 * MINUTE_MS
    blocked = hall.by_staff(BlockSeats, seats=("1", "2"), code="press", release_ms=until_ms)
    refused = hall.put(HoldSeats, booking_id=uuid4(), seats=("1",), hold_ms=60_000)
    mine = hall.hold("3", "4", "5", "6", hold_ms=30 * MINUTE_MS)
    hall.now_ms = until_ms
    released = hall.by_staff(ExpireHolds)
    limited = hall.put(
        HoldSeats, booking_id=uuid4(), seats=("1", "2", "7"), hold_ms=60_000, yours=True, sharing=(8,)
    )
    theirs = hall.put(HoldSeats, 8, booking_id=uuid4(), seats=("8",), hold_ms=60_000)
    shared = hall.put(
        HoldSeats, 9, booking_id=uuid4(), seats=("8",), hold_ms=60_000, yours=True, sharing=(4, 8)
    )
    until = timestamp(until_ms)
    text = await hall.explained(blocked)
    assert f"asked    withhold 1, 2 of show 7 from sale for press until {until}" in text
    assert f"why      1, 2 blocked for press until {until}" in text
    assert f"1 was blocked for press until {until} at {blocked}, 1 before" in await hall.explained(refused)
    assert "why      1, 2 put back on sale" in await hall.explained(released)
    text = await hall.explained(limited)
    assert "limit of 6: the customer had 4 through 0-3, and asked for 3" in text
    assert f"in the way: the customer's own booking {mine.booking_id}, held, 3, 4, 5, 6" in text
    assert "booking" in await hall.explained(theirs)
    text = await hall.explained(shared)
    assert "and the equal requests of user 4, user 8" in text
    assert "not the answer to the equal request of user 8, who has one of these seats" in text
