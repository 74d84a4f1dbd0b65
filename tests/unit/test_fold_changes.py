"""Net changes of changed and swapped seats, of blocks with a purpose, and of extended holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from schemas.commands import ChangeSeats, SwapSeats
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingStatus,
    Decision,
    Event,
    HoldExtended,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
)
from schemas.ids import Position
from schemas.layout import Money, numbered
from schemas.seating import Seating
from seat_workers.fold import Claim, DecidedRecord, fold

SEATING = Seating(numbered(6, Money(100, "EUR")))


def test_changed_seats_are_freed_and_claimed_and_their_bookings_marked() -> None:
    before = Booking(UUID(int=1), 7, 5, BookingStatus.HELD, ("1", "2"), 20, "EUR", 1, 9)
    after = msgspec.structs.replace(before, seats=("2", "3"))
    net = fold([_record(0, BookingChanged(after, before.seats, before.total))], {7: SEATING})
    assert net.freed == [(7, 0)]
    assert net.claims == [(7, 2, Claim("h", before.booking_id))]
    assert net.changed_bookings == [(after, Position(0, 0))]
    assert (net.new_bookings, net.moved) == ([], {1})


def test_swapped_seats_change_their_claims_in_one_piece() -> None:
    one = Booking(UUID(int=1), 7, 5, BookingStatus.HELD, ("3",), 20, "EUR", 1, 9)
    other = Booking(UUID(int=2), 7, 6, BookingStatus.CONFIRMED, ("1", "2"), 10, "EUR", 1)
    net = fold([_record(3, SeatsSwapped(one, other), SwapSeats)], {7: SEATING})
    assert net.freed == [(7, 0), (7, 1), (7, 2)]
    assert net.claims == [
        (7, 0, Claim("s", other.booking_id)),
        (7, 1, Claim("s", other.booking_id)),
        (7, 2, Claim("h", one.booking_id)),
    ]
    assert net.changed_bookings == [(one, Position(0, 3)), (other, Position(0, 3))]
    assert net.moved == {1, 2}


def test_a_change_after_a_cancellation_in_one_batch_frees_what_was_there_before_it() -> None:
    before = Booking(UUID(int=1), 7, 5, BookingStatus.CONFIRMED, ("1",), 10, "EUR", 1)
    after = msgspec.structs.replace(before, seats=("2",))
    ended = msgspec.structs.replace(after, status=BookingStatus.CANCELLED)
    batch = [_record(0, BookingChanged(after, ("1",), 10)), _record(1, BookingCancelled(ended))]
    net = fold(batch, {7: SEATING})
    assert (net.freed, net.claims) == ([(7, 0)], [])
    assert net.changed_bookings == [(ended, Position(0, 1))]


def test_a_seat_blocked_anew_in_one_batch_keeps_the_last_code_and_release() -> None:
    batch = [
        _record(0, SeatsUnblocked(7, ("1",))),
        _record(1, SeatsBlocked(7, ("1", "2"), "press", 99)),
    ]
    net = fold(batch, {7: SEATING})
    assert net.freed == [(7, 0)]
    assert net.claims == [(7, 0, Claim("b", None, "press", 99)), (7, 1, Claim("b", None, "press", 99))]


def test_an_extended_hold_is_a_changed_booking_with_the_claims_it_had() -> None:
    held = Booking(UUID(int=1), 7, 5, BookingStatus.HELD, ("1",), 10, "EUR", 1, 9, hold_ms=8)
    net = fold([_record(0, HoldExtended(held))], {7: SEATING})
    assert (net.freed, net.claims, net.moved) == ([], [], set())
    assert net.changed_bookings == [(held, Position(0, 0))]


def _record(offset: int, event: Event, kind: type[Any] = ChangeSeats) -> DecidedRecord:
    """A record whose decision has one event. Its command matters only by its type."""
    given = {"seats": ("1",)} if kind is ChangeSeats else {"with_booking_id": UUID(int=2)}
    command = kind(command_id=UUID(int=99), show_id=7, booking_id=UUID(int=1), **given)
    return DecidedRecord(Position(0, offset), 5, b"", command, Decision(events=(event,)), b"", True)
