"""A show in memory and functions that send it commands, shared by the tests of the rules."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

from schemas.commands import BookSeats, CancelBooking, Command, ExpireHolds, HoldSeats, OpenShow
from schemas.events import BookingStatus, Decision
from schemas.layout import Layout, Money, Row, Section
from schemas.seating import Seating
from seat_workers.show import step
from seat_workers.show_state import Show

SHOW, ANN, BEN, STAFF = 7, 1, 2, 3
STARTS_MS = 1_000_000
LAYOUT = Layout(
    (
        Section("Stalls", Money(1000, "EUR"), (Row("A", 4), Row("B", 4))),
        Section("Circle", Money(500, "EUR"), (Row("C", 12),)),
    )
)
ids = (UUID(int=n) for n in itertools.count(1))


def next_id() -> UUID:
    """A new id of a command or booking."""
    return next(ids)


def unopened() -> Show:
    """The show before its first command."""
    return Show(SHOW, Seating(LAYOUT))


def opened(**terms: Any) -> Show:
    """The show on sale, on default terms or given ones."""
    show = unopened()
    given: dict[str, Any] = {"starts_ms": STARTS_MS, "seats_per_customer": 10} | terms
    step(show, OpenShow(command_id=next(ids), show_id=SHOW, layout_id=1, layout_digest="0" * 64, **given), 0)
    return show


def ask(
    show: Show, kind: type[Any], /, *, by: int = ANN, at: int = 0, staff: bool = False, **fields: Any
) -> Decision:
    """Decides a command of type `kind` at log time `at`, in ms."""
    command: Command = kind(
        command_id=next(ids), show_id=SHOW, user_id=by, staff=staff or by == STAFF, **fields
    )
    return step(show, command, at)


def book(show: Show, *seats: str, by: int = ANN, at: int = 0, **fields: Any) -> Decision:
    return ask(show, BookSeats, by=by, at=at, booking_id=next(ids), seats=seats, **fields)


def hold(
    show: Show, *seats: str, by: int = ANN, at: int = 0, hold_ms: int = 5_000, **fields: Any
) -> Decision:
    return ask(show, HoldSeats, by=by, at=at, booking_id=next(ids), seats=seats, hold_ms=hold_ms, **fields)


def id_of(decision: Decision) -> UUID:
    """The id of a decision's booking."""
    assert decision.booking is not None
    return decision.booking.booking_id


def in_status(show: Show, status: BookingStatus) -> UUID:
    """Makes a booking of seat A1 in this status; an expired one is so from 6,000 ms on."""
    match status:
        case BookingStatus.CONFIRMED:
            return id_of(book(show, "A1"))
        case BookingStatus.CANCELLED:
            booking_id = id_of(book(show, "A1"))
            ask(show, CancelBooking, booking_id=booking_id)
        case BookingStatus.HELD | BookingStatus.EXPIRED:
            booking_id = id_of(hold(show, "A1"))
            if status is BookingStatus.EXPIRED:
                ask(show, ExpireHolds, at=6_000)
        case BookingStatus.RELEASED:
            booking_id = id_of(hold(show, "A1"))
            ask(show, CancelBooking, booking_id=booking_id)
    return booking_id
