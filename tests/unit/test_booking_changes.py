"""Tests of the rules for live bookings that change: longer holds, other seats, swapped seats."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.commands import (
    BlockSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    SwapSeats,
)
from schemas.events import BookingChanged, BookingStatus, HoldExpired, HoldExtended, Reason, SeatsSwapped
from seat_workers.show_state import Show
from tests.unit.show_fixture import ANN, BEN, STAFF, STARTS_MS, ask, book, hold, id_of, next_id, opened

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def change(show: Show, booking_id: Any, *seats: str, **asked: Any) -> Any:
    return ask(show, ChangeSeats, booking_id=booking_id, seats=seats, **asked)


# --- extending a hold ---


def test_a_hold_is_extended_by_its_own_length_from_now() -> None:
    show = opened(starts_ms=DAY_MS)
    booking_id = id_of(hold(show, "A1", hold_ms=5 * MINUTE_MS))
    decision = ask(show, ExtendHold, booking_id=booking_id, at=4 * MINUTE_MS)
    assert decision.booking is not None
    assert decision.booking.expires_ms == 9 * MINUTE_MS
    assert [type(event) for event in decision.events] == [HoldExtended]
    assert ask(show, ExpireHolds, at=9 * MINUTE_MS - 1).events == ()
    assert [type(event) for event in ask(show, ExpireHolds, at=9 * MINUTE_MS).events] == [HoldExpired]


def test_a_hold_extended_twice_keeps_its_length() -> None:
    show = opened(starts_ms=DAY_MS)
    booking_id = id_of(hold(show, "A1", hold_ms=5 * MINUTE_MS))
    for minute, expected in ((1, 6), (3, 8)):
        decision = ask(show, ExtendHold, booking_id=booking_id, at=minute * MINUTE_MS)
        assert decision.booking is not None
        assert decision.booking.expires_ms == expected * MINUTE_MS


def test_a_hold_lasts_at_most_30_minutes_after_it_was_made() -> None:
    show = opened(starts_ms=DAY_MS)
    booking_id = id_of(hold(show, "A1", at=1_000, hold_ms=15 * MINUTE_MS))
    for minute in (14, 28):
        decision = ask(show, ExtendHold, booking_id=booking_id, at=1_000 + minute * MINUTE_MS)
    assert decision.booking is not None
    assert decision.booking.expires_ms == 1_000 + 30 * MINUTE_MS
    again = ask(show, ExtendHold, booking_id=booking_id, at=1_000 + 29 * MINUTE_MS)
    assert (again.reason, again.events) == (Reason.HOLD_LIMIT, ())


def test_a_hold_that_would_not_last_longer_is_not_extended() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1", hold_ms=5_000))
    assert ask(show, ExtendHold, booking_id=booking_id, at=0).reason is Reason.HOLD_LIMIT
    assert ask(show, ExtendHold, booking_id=booking_id, at=1).reason is None


def test_a_long_hold_of_staff_is_not_cut_by_extending_it() -> None:
    show = opened(starts_ms=90 * DAY_MS)
    booking_id = id_of(hold(show, "A1", by=STAFF, hold_ms=30 * DAY_MS))
    decision = ask(show, ExtendHold, by=STAFF, booking_id=booking_id, at=DAY_MS)
    assert decision.reason is Reason.HOLD_LIMIT
    assert show.next_expiry_ms() == 30 * DAY_MS


def test_a_hold_is_extended_in_a_closed_or_started_show_but_not_in_a_cancelled_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seat_workers.show_rules.CANCELLED_PER_COMMAND", 0)
    show = opened()
    booking_id = id_of(hold(show, "A1", at=STARTS_MS - 3, hold_ms=5_000))
    ask(show, CloseShow, by=STAFF)
    assert ask(show, ExtendHold, booking_id=booking_id, at=STARTS_MS).reason is None
    ask(show, CancelShow, by=STAFF)
    assert ask(show, ExtendHold, booking_id=booking_id, at=STARTS_MS + 1).reason is Reason.SHOW_CANCELLED


def test_only_the_owner_and_staff_extend_a_hold() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1"))
    assert ask(show, ExtendHold, by=BEN, booking_id=booking_id, at=1).reason is Reason.NOT_YOURS
    assert ask(show, ExtendHold, by=STAFF, booking_id=booking_id, at=1).reason is None


# --- changing seats ---


@pytest.mark.parametrize("take", [book, hold])
def test_a_change_frees_and_takes_in_one_decision(take: Any) -> None:
    show = opened()
    before = take(show, "A1", "A2").booking
    decision = change(show, before.booking_id, "A2", "C1")
    after = decision.booking
    assert decision.events == (BookingChanged(after, ("A1", "A2"), 2000),)
    assert (after.seats, after.total, after.expires_ms) == (("A2", "C1"), 1500, before.expires_ms)
    letter = "s" if before.status is BookingStatus.CONFIRMED else "h"
    assert show.states.decode()[:9] == f"a{letter}aaaaaa{letter}"
    assert show.available == 18
    assert show.seats_of_customer.of(ANN) == 2
    assert show.bookings[before.booking_id] == after


def test_the_freed_seat_can_be_booked_at_once() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    change(show, booking_id, "A2")
    assert book(show, "A1", by=BEN).reason is None
    ask(show, CancelBooking, booking_id=booking_id)
    assert show.states.decode()[:2] == "sa"


@pytest.mark.parametrize(
    ("seats", "reason", "at_fault"),
    [
        (("A1", "B1"), Reason.SEAT_TAKEN, ("B1",)),
        (("A1", "B2"), Reason.SEAT_BLOCKED, ("B2",)),
        (("A1", "X1"), Reason.SEAT_UNKNOWN, ("X1",)),
        (("B1", "B2"), Reason.SEAT_TAKEN, ("B1",)),
        (("A1",), Reason.VALIDATION, ()),
        (("A1", "A2", "A3"), Reason.VALIDATION, ()),
        (("A3", "A3"), Reason.VALIDATION, ()),
        ((), Reason.VALIDATION, ()),
    ],
)
def test_a_refused_change_leaves_the_seats_as_they_are(
    seats: tuple[str, ...], reason: Reason, at_fault: tuple[str, ...]
) -> None:
    show = opened()
    booking_id = id_of(book(show, "A1", "A2"))
    book(show, "B1", by=BEN)
    ask(show, BlockSeats, by=STAFF, seats=("B2",))
    states = bytes(show.states)
    decision = change(show, booking_id, *seats)
    assert (decision.reason, decision.seats, decision.events) == (reason, at_fault, ())
    assert bytes(show.states) == states


def test_staff_change_to_any_number_of_seats_past_the_limit_of_a_customer() -> None:
    show = opened(seats_per_customer=2)
    booking_id = id_of(book(show, "A1", "A2"))
    decision = change(show, booking_id, "A1", "A2", "A3", "A4", by=STAFF, max_seats=100)
    assert decision.reason is None
    assert show.seats_of_customer.of(ANN) == 4
    assert change(show, booking_id, "C1", by=STAFF).reason is None
    assert show.seats_of_customer.of(ANN) == 1
    assert show.available == 19


def test_a_change_names_the_owners_other_booking_in_the_way() -> None:
    show = opened()
    one, other = book(show, "A1").booking, book(show, "A2").booking
    assert one is not None
    decision = change(show, one.booking_id, "A2")
    assert (decision.reason, decision.yours) == (Reason.SEAT_TAKEN, (other,))


def test_two_customers_cannot_change_into_each_others_seats() -> None:
    show = opened()
    one, other = id_of(book(show, "A1")), id_of(book(show, "A2", by=BEN))
    assert change(show, one, "A2").reason is Reason.SEAT_TAKEN
    assert change(show, other, "A1", by=BEN).reason is Reason.SEAT_TAKEN


def test_checked_in_seats_stay() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1", "A2"))
    ask(show, CheckIn, by=STAFF, booking_id=booking_id, seat="A1")
    decision = change(show, booking_id, "A3", "A4", by=STAFF)
    assert (decision.reason, decision.seats) == (Reason.CHECKED_IN, ("A1",))
    decision = change(show, booking_id, "A1", "A4")
    assert decision.booking is not None
    assert decision.booking.checked_in == {"A1": 0}
    assert show.bookings[booking_id].checked_in == {"A1": 0}


def test_a_paid_booking_of_a_customer_keeps_its_total() -> None:
    show = opened()
    paid = {"customer_id": ANN, "paid": True}
    confirmed = id_of(book(show, "A1", by=STAFF, **paid))
    assert change(show, confirmed, "C1").reason is Reason.PRICE_DIFFERS
    assert change(show, confirmed, "A2").reason is None
    assert change(show, confirmed, "C1", by=STAFF).reason is None
    held = id_of(hold(show, "B1", by=STAFF, **paid))
    assert change(show, held, "C2").reason is None
    unpaid = id_of(book(show, "B2"))
    assert change(show, unpaid, "C3").reason is None


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"sales_start_ms": 100}, Reason.NOT_ON_SALE),
        ({"sales_end_ms": 50}, Reason.SHOW_CLOSED),
        ({"starts_ms": 50}, Reason.SHOW_STARTED),
    ],
)
def test_seats_change_only_while_the_show_is_on_sale(terms: dict[str, Any], reason: Reason) -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    ask(show, ChangeShow, by=STAFF, **terms)
    assert change(show, booking_id, "A2", at=50).reason is reason


# --- swapping seats ---


def test_a_swap_exchanges_seats_and_totals() -> None:
    show = opened()
    one, other = book(show, "A1").booking, hold(show, "C1", "C2", by=BEN).booking
    assert one is not None
    assert other is not None
    decision = ask(show, SwapSeats, by=STAFF, booking_id=one.booking_id, with_booking_id=other.booking_id)
    (event,) = decision.events
    assert isinstance(event, SeatsSwapped)
    assert decision.booking == event.booking
    assert (event.booking.seats, event.booking.total) == (("C1", "C2"), 1000)
    assert (event.other.seats, event.other.total) == (("A1",), 1000)
    assert show.states.decode() == "h" + "a" * 7 + "ss" + "a" * 10
    assert show.bookings == {one.booking_id: event.booking, other.booking_id: event.other}
    assert (show.seats_of_customer.of(ANN), show.seats_of_customer.of(BEN)) == (2, 1)
    assert show.available == 17


def test_a_swapped_hold_expires_with_its_new_seats() -> None:
    show = opened()
    one, other = id_of(book(show, "A1")), id_of(hold(show, "A2", by=BEN, hold_ms=5_000))
    ask(show, SwapSeats, by=STAFF, booking_id=one, with_booking_id=other)
    ask(show, ExpireHolds, at=5_000)
    assert show.states.decode()[:2] == "as"


def test_only_staff_swap_two_different_live_bookings_without_check_ins() -> None:
    show = opened()
    one, other = id_of(book(show, "A1")), id_of(book(show, "A2", by=BEN))

    def swap(by: int, a: Any, b: Any) -> Any:
        decision = ask(show, SwapSeats, by=by, booking_id=a, with_booking_id=b)
        return decision.reason, decision.seats

    assert swap(ANN, one, other) == (Reason.NOT_YOURS, ())
    assert swap(STAFF, one, one) == (Reason.VALIDATION, ())
    assert swap(STAFF, one, next_id()) == (Reason.NOT_FOUND, ())
    assert swap(STAFF, next_id(), one) == (Reason.NOT_FOUND, ())
    ask(show, CheckIn, by=STAFF, booking_id=other, seat="A2")
    assert swap(STAFF, one, other) == (Reason.CHECKED_IN, ("A2",))
    ask(show, CancelBooking, by=STAFF, booking_id=other)
    assert swap(STAFF, one, other) == (Reason.ALREADY_CANCELLED, ())


def test_a_confirmed_booking_stays_as_it_is_when_its_hold_was_extended() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1", hold_ms=5_000))
    ask(show, ExtendHold, booking_id=booking_id, at=1_000)
    decision = ask(show, ConfirmBooking, booking_id=booking_id, at=2_000)
    assert decision.booking is not None
    assert (decision.booking.expires_ms, decision.booking.hold_ms) == (None, 5_000)
    assert show.bookings[booking_id] == decision.booking
    assert ask(show, ExtendHold, booking_id=booking_id, at=3_000).reason is Reason.ALREADY_CONFIRMED
