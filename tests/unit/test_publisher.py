"""Seat changes that a seat worker publishes to gateways."""

from __future__ import annotations

from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    Event,
    SeatsBlocked,
    ShowClosed,
    ShowStatus,
    Terms,
    TicketCheckedIn,
)
from schemas.ids import Position, new_booking_id
from schemas.wire import ShowSeatChanges
from seat_workers.fold import DecidedRecord
from seat_workers.publisher import UNKNOWN_VERSION, seat_changes

TERMS = Terms(1, "", 0, 10)


def decided(offset: int, *events: Event) -> DecidedRecord:
    return DecidedRecord(Position(0, offset), 0, b"", None, Decision(events=events), b"", True)


def booking(show_id: int, *seats: str) -> Booking:
    return Booking(new_booking_id(show_id, 1, 1), show_id, 1, BookingStatus.CONFIRMED, seats, 0, "EUR", 0)


def test_each_show_has_one_entry_with_the_latest_state_of_each_seat() -> None:
    published = seat_changes(
        [
            decided(5, BookingHeld(booking(7, "1", "2"))),
            decided(6, BookingConfirmed(booking(8, "1"))),
            decided(7),
            decided(8, BookingConfirmed(booking(7, "2")), BookingCancelled(booking(7, "1"))),
            decided(9, SeatsBlocked(8, ("4",))),
        ],
        {7: 3, 8: 4},
    )
    assert published == [
        ShowSeatChanges(7, 3, 8, {"1": "a", "2": "s"}),
        ShowSeatChanges(8, 4, 9, {"1": "s", "4": "b"}),
    ]


def test_a_check_in_advances_the_version_and_changes_no_seat() -> None:
    published = seat_changes([decided(5, TicketCheckedIn(booking(7, "1"), "1"))], {7: 3})
    assert published == [ShowSeatChanges(7, 3, 5, {})]


def test_a_show_whose_status_changed_is_loaded_again() -> None:
    closed = ShowClosed(7, ShowStatus.CLOSED, TERMS)
    published = seat_changes(
        [decided(5, BookingConfirmed(booking(7, "1"))), decided(6, closed)], {7: 3, 8: 1}
    )
    assert published == [ShowSeatChanges(7, UNKNOWN_VERSION, 6, {"1": "s"})]


def test_republished_decisions_have_no_version_before() -> None:
    published = seat_changes([decided(5, BookingConfirmed(booking(7, "1")))], {})
    assert published == [ShowSeatChanges(7, UNKNOWN_VERSION, 5, {"1": "s"})]
