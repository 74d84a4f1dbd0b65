"""Tests of the rules of staff commands: block seats, change terms, close and cancel the show, check in."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.commands import (
    BlockSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    ConfirmBooking,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from schemas.events import (
    BookingCancelled,
    BookingStatus,
    HoldReleased,
    Reason,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowReopened,
    ShowStatus,
    Terms,
    TicketCheckedIn,
)
from seat_workers import show_rules as rules
from seat_workers.transitions import TRANSITIONS
from tests.unit.show_fixture import (
    ANN,
    BEN,
    SHOW,
    STAFF,
    STARTS_MS,
    ask,
    book,
    hold,
    id_of,
    ids,
    in_status,
    opened,
    unopened,
)

STAFFS_OWN: list[tuple[type[Any], dict[str, Any]]] = [
    (ChangeShow, {}),
    (CloseShow, {}),
    (ReopenShow, {}),
    (CancelShow, {}),
    (BlockSeats, {"seats": ("A1",)}),
    (UnblockSeats, {"seats": ("A1",)}),
    (CheckIn, {"booking_id": next(ids), "seat": "A1"}),
]


@pytest.mark.parametrize(("kind", "fields"), STAFFS_OWN)
def test_staff_commands_are_refused_to_customers(kind: type[Any], fields: dict[str, Any]) -> None:
    show = opened()
    decision = ask(show, kind, by=ANN, **fields)
    assert (decision.reason, decision.events) == (Reason.NOT_YOURS, ())
    assert ask(unopened(), kind, by=STAFF, **fields).reason is Reason.NOT_FOUND


def test_seats_can_be_blocked_and_unblocked() -> None:
    show = opened()
    book(show, "A1")
    refused = ask(show, BlockSeats, by=STAFF, seats=("A1", "A2"))
    assert (refused.reason, refused.seats) == (Reason.SEAT_TAKEN, ("A1",))
    refused = ask(show, BlockSeats, by=STAFF, seats=("X9", "A1"))
    assert (refused.reason, refused.seats) == (Reason.SEAT_UNKNOWN, ("X9",))
    ask(show, BlockSeats, by=STAFF, seats=("A2", "A3"))
    assert show.available == 17
    assert ask(show, BlockSeats, by=STAFF, seats=("A2",)).events == (), "blocked already"
    ask(show, UnblockSeats, by=STAFF, seats=("A2",))
    assert bytes(show.states[:4]) == b"saba"
    assert show.available == 18


def test_all_seats_can_be_blocked_by_one_command() -> None:
    show = opened()
    labels = show.seating.labels
    assert ask(show, BlockSeats, by=STAFF, seats=labels).reason is None
    assert (show.available, bytes(show.states)) == (0, b"b" * 20)
    for seats in ((), ("A1", "A1")):
        assert ask(show, UnblockSeats, by=STAFF, seats=seats).reason is Reason.VALIDATION


def test_a_show_is_opened_once() -> None:
    show = opened(seats_per_customer=1)
    again: dict[str, Any] = {
        "layout_id": 2,
        "layout_digest": "1" * 64,
        "starts_ms": 5,
        "seats_per_customer": 9,
    }
    refused = ask(show, OpenShow, by=STAFF, **again)
    assert (refused.reason, refused.events) == (Reason.ALREADY_OPEN, ())
    assert (show.terms.layout_id, show.terms.starts_ms) == (1, STARTS_MS)


def test_an_event_of_a_show_has_its_status_and_terms() -> None:
    show = opened(sales_start_ms=50, sales_end_ms=60)
    terms = Terms(1, "0" * 64, STARTS_MS, 10, 50, 60)
    assert show.terms == terms
    assert ask(show, CloseShow, by=STAFF).events == (ShowClosed(SHOW, ShowStatus.CLOSED, terms),)
    assert ask(show, ReopenShow, by=STAFF).events == (ShowReopened(SHOW, ShowStatus.OPEN, terms),)
    without_times = Terms(1, "0" * 64, 70, 4)
    changed = ask(
        show, ChangeShow, by=STAFF, starts_ms=70, seats_per_customer=4, sales_start_ms=0, sales_end_ms=0
    )
    assert changed.events == (ShowChanged(SHOW, ShowStatus.OPEN, without_times),)
    cancelled = ask(show, CancelShow, by=STAFF)
    assert cancelled.events == (ShowCancelled(SHOW, ShowStatus.CANCELLED, without_times),)


def test_changed_terms_apply_to_later_commands() -> None:
    show = opened()
    ask(show, ChangeShow, by=STAFF, sales_start_ms=50, seats_per_customer=1)
    assert book(show, "A1", at=49).reason is Reason.NOT_ON_SALE
    ask(show, ChangeShow, by=STAFF, sales_start_ms=0)
    assert book(show, "A1", at=0).reason is None
    assert show.status is ShowStatus.OPEN


def test_a_cancelled_show_closes_at_once_and_cancels_bookings_in_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "CANCELLED_PER_COMMAND", 2)
    show = opened()
    made = [
        id_of(taking(show, seat)) for taking, seat in ((book, "A1"), (hold, "A2"), (book, "A3"), (book, "A4"))
    ]
    ask(show, BlockSeats, by=STAFF, seats=("B1",))
    first = ask(show, CancelShow, by=STAFF)
    assert [type(event) for event in first.events] == [ShowCancelled, BookingCancelled, HoldReleased]
    assert (show.status, sorted(show.bookings)) == (ShowStatus.CANCELLED, made[2:])
    assert book(show, "C1").reason is Reason.SHOW_CANCELLED
    assert ask(show, CancelShow, by=STAFF).reason is Reason.SHOW_CANCELLED, "a repeat by staff"
    second = ask(show, CancelShow, by=0, staff=True)
    assert [type(event) for event in second.events] == [BookingCancelled, BookingCancelled]
    assert [show.ended[booking_id].status.value for booking_id in made] == ["cancelled", "released"] + [
        "cancelled"
    ] * 2
    assert ask(show, CancelShow, by=0, staff=True).events == ()
    assert (show.available, len(show.bookings), show.seats_of_customer.get(ANN, 0)) == (19, 0, 0)


def test_a_cancelled_show_cannot_be_reopened() -> None:
    show = opened()
    ask(show, CancelShow, by=STAFF)
    for kind in (ReopenShow, CloseShow, ChangeShow):
        assert ask(show, kind, by=STAFF).reason is Reason.SHOW_CANCELLED
    assert show.status is ShowStatus.CANCELLED


def test_a_cancelled_show_allows_cancelling_but_no_confirming_and_no_check_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "CANCELLED_PER_COMMAND", 0)
    show = opened()
    held, booked = id_of(hold(show, "A1")), id_of(book(show, "A2"))
    ask(show, CancelShow, by=STAFF)
    assert ask(show, ConfirmBooking, booking_id=held).reason is Reason.SHOW_CANCELLED
    assert ask(show, CheckIn, by=STAFF, booking_id=booked, seat="A2").reason is Reason.SHOW_CANCELLED
    for booking_id in (held, booked):
        assert ask(show, CancelBooking, booking_id=booking_id).reason is None


def test_each_seat_is_checked_in_once() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1", "A2"))
    let_in = ask(show, CheckIn, by=STAFF, at=70, booking_id=booking_id, seat="A1")
    assert let_in.booking is not None
    assert let_in.events == (TicketCheckedIn(let_in.booking, "A1"),)
    assert let_in.booking.checked_in == {"A1": 70}
    again = ask(show, CheckIn, by=STAFF, at=90, booking_id=booking_id, seat="A1")
    assert (again.reason, again.seats, again.limit, again.events) == (Reason.ALREADY_USED, ("A1",), 70, ())
    assert again.booking == let_in.booking
    assert ask(show, CheckIn, by=STAFF, at=STARTS_MS + 5, booking_id=booking_id, seat="A2").reason is None
    assert show.bookings[booking_id].checked_in == {"A1": 70, "A2": STARTS_MS + 5}
    assert (show.available, bytes(show.states[:3])) == (18, b"ssa")


def test_a_seat_of_another_booking_cannot_be_checked_in() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    book(show, "A2", by=BEN)
    for seat in ("A2", "X9"):
        refused = ask(show, CheckIn, by=STAFF, booking_id=booking_id, seat=seat)
        assert (refused.reason, refused.seats) == (Reason.SEAT_UNKNOWN, (seat,))


@pytest.mark.parametrize("status", [None, *BookingStatus])
def test_only_a_confirmed_booking_can_be_checked_in(status: BookingStatus | None) -> None:
    show = opened()
    booking_id = next(ids) if status is None else in_status(show, status)
    at = 6_000 if status is BookingStatus.EXPIRED else 0
    decision = ask(show, CheckIn, by=STAFF, at=at, booking_id=booking_id, seat="A1")
    match status:
        case BookingStatus.CONFIRMED:
            assert decision.reason is None
        case BookingStatus.HELD:
            assert decision.reason is Reason.NOT_CONFIRMED
        case _:
            assert decision.reason is TRANSITIONS[status, ConfirmBooking]


def test_only_staff_can_cancel_a_checked_in_booking() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1", "A2"))
    ask(show, CheckIn, by=STAFF, at=70, booking_id=booking_id, seat="A2")
    assert ask(show, CancelBooking, booking_id=booking_id).reason is Reason.CHECKED_IN
    decision = ask(show, CancelBooking, by=STAFF, booking_id=booking_id)
    assert decision.booking is not None
    assert (decision.booking.status, decision.booking.checked_in) == (BookingStatus.CANCELLED, {"A2": 70})
    assert show.available == 20
