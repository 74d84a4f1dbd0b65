"""The rules of a show, drawn from the table on top of seat_workers/show.py."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import pytest

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    ChangeShow,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from schemas.events import BookingStatus, Decision, HoldExpired, Reason, ShowStatus
from schemas.layout import Layout, Money, Row, Seating, Section
from seat_workers.show import TRANSITIONS, step
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


def opened(**terms: Any) -> Show:
    show = Show(SHOW, Seating(LAYOUT))
    given: dict[str, Any] = {"starts_ms": STARTS_MS, "seats_per_customer": 10} | terms
    step(show, OpenShow(command_id=next(ids), show_id=SHOW, layout_id=1, layout_digest="0" * 64, **given), 0)
    return show


def ask(show: Show, kind: type[Any], *, by: int = ANN, at: int = 0, **fields: Any) -> Decision:
    command: Command = kind(command_id=next(ids), show_id=SHOW, user_id=by, staff=by == STAFF, **fields)
    return step(show, command, at)


def book(show: Show, *seats: str, by: int = ANN, at: int = 0) -> Decision:
    return ask(show, BookSeats, by=by, at=at, booking_id=next(ids), seats=seats)


def hold(show: Show, *seats: str, by: int = ANN, at: int = 0, hold_ms: int = 5_000) -> Decision:
    return ask(show, HoldSeats, by=by, at=at, booking_id=next(ids), seats=seats, hold_ms=hold_ms)


def id_of(decision: Decision) -> UUID:
    assert decision.booking is not None
    return decision.booking.booking_id


def in_status(show: Show, status: BookingStatus) -> UUID:
    """A booking of seat A1 in this status, expired ones as of 6,000 ms."""
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


def test_a_booked_seat_is_sold_at_the_price_of_its_section() -> None:
    show = opened()
    decision = book(show, "C2", "A4")
    assert decision.reason is None
    assert decision.booking is not None
    assert decision.booking.seats == ("A4", "C2"), "in layout order"
    assert decision.booking.total == 1500
    assert bytes(show.states) == b"aaas" + b"aaaa" + b"as" + b"a" * 10
    assert show.available == 18


@pytest.mark.parametrize(
    ("status", "kind"), [key for key in TRANSITIONS if key[1] in (ConfirmBooking, CancelBooking)]
)
def test_every_move_of_a_booking_is_as_the_table_says(
    status: BookingStatus | None, kind: type[Command]
) -> None:
    show = opened()
    booking_id = next(ids) if status is None else in_status(show, status)
    at = 6_000 if status is BookingStatus.EXPIRED else 0
    decision = ask(show, kind, at=at, booking_id=booking_id)
    outcome = TRANSITIONS[status, kind]
    if isinstance(outcome, Reason):
        assert decision.reason is outcome
        assert decision.events == ()
        return
    event_type, next_status = outcome
    assert [type(event) for event in decision.events] == [event_type]
    assert decision.booking is not None
    assert decision.booking.status is next_status
    assert (show.states[0] != ord("a")) == next_status.live
    assert (booking_id in show.bookings) == next_status.live


def test_a_seat_can_be_booked_cancelled_and_booked_again() -> None:
    show = opened()
    for _ in range(5):
        decision = book(show, "A1")
        assert decision.reason is None
        assert ask(show, CancelBooking, booking_id=id_of(decision)).reason is None
    assert show.available == 20
    assert show.seats_of_customer == {}


def test_all_or_nothing_and_every_seat_at_fault_is_named() -> None:
    show = opened()
    book(show, "A1", "A3")
    decision = book(show, "A3", "A2", "A1", by=BEN)
    assert (decision.reason, decision.seats) == (Reason.SEAT_TAKEN, ("A1", "A3"))
    assert book(show, "A2", by=BEN).reason is None


def test_of_several_reasons_the_first_in_the_order_of_the_api_is_given() -> None:
    show = opened(seats_per_customer=1, sales_start_ms=100)
    ask(show, BlockSeats, by=STAFF, seats=("B1",))
    assert book(show, "A1", by=BEN, at=100).reason is None
    ask(show, CloseShow, by=STAFF)
    everything = ("A1", "B1", "X9")
    assert book(show, *everything).reason is Reason.SHOW_CLOSED
    ask(show, ReopenShow, by=STAFF)
    refused = book(show, *everything, at=99)
    assert (refused.reason, refused.limit) == (Reason.NOT_ON_SALE, 100)
    assert book(show, *everything, at=STARTS_MS).reason is Reason.SHOW_STARTED
    refused = book(show, *everything, at=100)
    assert (refused.reason, refused.seats) == (Reason.SEAT_UNKNOWN, ("X9",))
    refused = book(show, "A1", "B1", at=100)
    assert (refused.reason, refused.seats) == (Reason.SEAT_TAKEN, ("A1",))
    refused = book(show, "A2", "B1", at=100)
    assert (refused.reason, refused.seats) == (Reason.SEAT_BLOCKED, ("B1",))
    refused = book(show, "A2", "A3", at=100)
    assert (refused.reason, refused.limit) == (Reason.LIMIT_EXCEEDED, 1)


def test_sales_end_when_the_terms_say_so() -> None:
    show = opened(sales_end_ms=500)
    assert book(show, "A1", at=499).reason is None
    assert book(show, "A2", at=500).reason is Reason.SHOW_CLOSED


def test_what_no_gateway_lets_through_is_refused_all_the_same() -> None:
    show = opened()
    assert book(show).reason is Reason.VALIDATION
    assert book(show, "A1", "A1").reason is Reason.VALIDATION
    assert book(show, *(f"C{n}" for n in range(1, 12))).reason is Reason.TOO_MANY_SEATS
    taken = id_of(book(show, "A1"))
    again = ask(show, BookSeats, booking_id=taken, seats=("A2",))
    assert again.reason is Reason.VALIDATION, "a booking's id is used once"
    assert book(Show(SHOW, Seating(LAYOUT)), "A1").reason is Reason.NOT_FOUND


def test_bookings_of_others_are_left_to_staff() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    assert ask(show, CancelBooking, by=BEN, booking_id=booking_id).reason is Reason.NOT_YOURS
    assert ask(show, CancelBooking, by=STAFF, booking_id=booking_id).reason is None


def test_after_the_start_only_staff_cancels() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    assert ask(show, CancelBooking, at=STARTS_MS, booking_id=booking_id).reason is Reason.SHOW_STARTED
    assert ask(show, CancelBooking, by=STAFF, at=STARTS_MS, booking_id=booking_id).reason is None


def test_staff_can_book_for_a_customer_whose_limit_it_is() -> None:
    show = opened(seats_per_customer=1)
    decision = ask(show, BookSeats, by=STAFF, booking_id=next(ids), seats=("A1",), customer_id=ANN)
    assert decision.booking is not None
    assert decision.booking.user_id == ANN
    assert book(show, "A2").reason is Reason.LIMIT_EXCEEDED
    assert book(show, "A2", by=BEN).reason is None


def test_a_seat_freed_by_expiry_can_be_held_again() -> None:
    show = opened()
    first = id_of(hold(show, "A1", hold_ms=5_000))
    assert hold(show, "A1", by=BEN, at=4_999).reason is Reason.SEAT_TAKEN
    decision = hold(show, "A1", by=BEN, at=5_000)
    assert decision.reason is None
    assert isinstance(decision.events[0], HoldExpired)
    assert decision.events[0].booking.booking_id == first
    assert show.next_expiry_ms() == 10_000


def test_a_refused_command_still_releases_what_has_run_out() -> None:
    show = opened()
    hold(show, "A1", hold_ms=1_000)
    decision = book(show, "X9", at=2_000)
    assert decision.reason is Reason.SEAT_UNKNOWN
    assert [type(event) for event in decision.events] == [HoldExpired]
    assert show.available == 20


def test_a_confirmed_hold_does_not_run_out() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1", hold_ms=1_000))
    assert ask(show, ConfirmBooking, at=999, booking_id=booking_id).reason is None
    assert ask(show, ExpireHolds, at=5_000).events == ()
    assert show.next_expiry_ms() is None
    assert show.states[0] == ord("s")


def test_blocked_seats_are_withheld_and_come_back() -> None:
    show = opened()
    book(show, "A1")
    refused = ask(show, BlockSeats, by=STAFF, seats=("A1", "A2"))
    assert (refused.reason, refused.seats) == (Reason.SEAT_TAKEN, ("A1",))
    ask(show, BlockSeats, by=STAFF, seats=("A2", "A3"))
    assert show.available == 17
    assert ask(show, BlockSeats, by=STAFF, seats=("A2",)).events == (), "blocked already"
    ask(show, UnblockSeats, by=STAFF, seats=("A2",))
    assert bytes(show.states[:4]) == b"saba"
    assert ask(show, BlockSeats, seats=("A4",)).reason is Reason.NOT_YOURS


def test_terms_change_for_the_commands_after() -> None:
    show = opened()
    ask(show, ChangeShow, by=STAFF, sales_start_ms=50, seats_per_customer=1)
    assert book(show, "A1", at=49).reason is Reason.NOT_ON_SALE
    ask(show, ChangeShow, by=STAFF, sales_start_ms=0)
    assert book(show, "A1", at=0).reason is None
    assert show.status is ShowStatus.OPEN
