"""Tests of the rules of selling: walk-ins, own bookings in the way, kinds of seats, payment, blocks for a purpose."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.commands import (
    BlockSeats,
    BookSeats,
    ChangeSeats,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    UnblockSeats,
)
from schemas.events import Reason, SeatsBlocked, SeatsUnblocked
from schemas.layout import Layout, Money, Row, Section
from schemas.seating import Seating
from seat_workers.show import step
from seat_workers.show_state import Block, Show
from tests.unit.show_fixture import ANN, BEN, SHOW, STAFF, ask, book, hold, id_of, next_id, opened

DAY_MS = 24 * 3600 * 1000


# --- walk-ins and staff ---


def test_a_walk_in_has_no_owner_and_no_limit() -> None:
    show = opened(seats_per_customer=2)
    for label in ("A1", "A2", "A3"):
        decision = book(show, label, by=STAFF, walk_in=True)
        assert decision.booking is not None
        assert (decision.booking.user_id, decision.booking.owned) == (0, False)
    assert show.seats_of_customer == {}
    for booking_id in list(show.bookings):
        assert ask(show, ConfirmBooking, by=ANN, booking_id=booking_id).reason is Reason.NOT_YOURS


def test_staff_lift_the_limit_of_a_customer() -> None:
    show = opened(seats_per_customer=1)
    assert book(show, "A1", "A2", by=STAFF, customer_id=ANN).reason is Reason.LIMIT_EXCEEDED
    assert book(show, "A1", "A2", by=STAFF, customer_id=ANN, lift_limit=True).reason is None
    assert book(show, "A3", by=ANN).reason is Reason.LIMIT_EXCEEDED


def test_customers_have_no_rights_of_staff() -> None:
    show = opened(seats_per_customer=1)
    decision = book(show, "A1", walk_in=True, customer_id=BEN, paid=True)
    assert decision.booking is not None
    assert (decision.booking.user_id, decision.booking.paid) == (ANN, False)
    assert book(show, "A2", lift_limit=True).reason is Reason.LIMIT_EXCEEDED


def test_a_request_has_as_many_seats_as_its_command_allows() -> None:
    show = opened(seats_per_customer=100)
    many = tuple(f"C{n}" for n in range(1, 12))
    assert book(show, *many, by=STAFF).reason is Reason.TOO_MANY_SEATS
    assert book(show, *many, by=STAFF, max_seats=100).reason is None
    best = ask(show, BookSeats, by=STAFF, booking_id=next_id(), quantity=101, max_seats=100)
    assert (best.reason, best.limit) == (Reason.TOO_MANY_SEATS, 100)


# --- one's own booking in the way ---


def test_a_refusal_names_the_owners_bookings_in_the_way_if_asked() -> None:
    show = opened()
    own = hold(show, "A1", "A2").booking
    hold(show, "A3", by=BEN)
    decision = book(show, "A2", "A3", yours=True)
    assert (decision.seats, decision.yours) == (("A2", "A3"), (own,))
    assert book(show, "A2", by=BEN, yours=True).yours == ()
    assert book(show, "A2").yours == (), "as in the first release"


def test_a_refusal_for_the_limit_names_at_most_ten_bookings() -> None:
    show = opened(seats_per_customer=12)
    own = [book(show, f"C{n}").booking for n in range(1, 13)]
    decision = book(show, "A1", yours=True)
    assert decision.reason is Reason.LIMIT_EXCEEDED
    assert decision.yours == tuple(own[:10])
    assert book(show, "A1").yours == ()


def test_a_customer_is_not_taken_for_another_whose_id_has_the_same_bytes_elsewhere() -> None:
    show = opened()
    for user_id in (256, 1 << 32, 257, 1):
        book(show, f"C{show.available}" if show.available <= 12 else f"A{21 - show.available}", by=user_id)
    for user_id in (256, 1 << 32, 257, 1):
        assert [booking.user_id for booking in show.bookings_of(user_id)] == [user_id]
    assert show.bookings_of(2) == []


def test_a_refusal_is_not_shared_with_customers_who_have_one_of_the_taken_seats() -> None:
    show = opened()
    book(show, "A1", by=BEN)
    book(show, "A2", by=8)
    decision = book(show, "A1", yours=True, sharing=(9, BEN, 8))
    assert (decision.reason, decision.unshared) == (Reason.SEAT_TAKEN, (BEN,))


# --- kinds of seats ---


def theatre(**terms: Any) -> Show:
    """A row `c w c | w c - -`, opened 100 days before its start."""
    layout = Layout(
        (Section("Stalls", Money(1000, "EUR"), (Row("A", 7, aisles_after=(3,)),)),),
        accessible=("A2", "A4"),
        companions=("A1", "A3", "A5"),
    )
    show = Show(SHOW, Seating(layout))
    given: dict[str, Any] = {"starts_ms": 100 * DAY_MS, "seats_per_customer": 10} | terms
    step(
        show,
        OpenShow(command_id=next_id(), show_id=SHOW, layout_id=1, layout_digest="0" * 64, **given),
        0,
    )
    return show


@pytest.mark.parametrize(
    ("seats", "alone"),
    [
        (("A1",), ("A1",)),
        (("A1", "A2", "A3"), ()),
        (("A3", "A4"), ("A3",)),  # an aisle between them
        (("A3", "A5", "A6"), ("A3", "A5")),
        (("A4", "A5"), ()),
        (("A6",), ()),
    ],
)
def test_companion_seats_go_with_an_accessible_seat_beside_them(
    seats: tuple[str, ...], alone: tuple[str, ...]
) -> None:
    decision = book(theatre(), *seats)
    assert decision.reason is (Reason.COMPANION_ONLY if alone else None)
    assert decision.seats == alone


def test_a_companion_seat_may_come_later_than_ones_own_accessible_seat() -> None:
    show = theatre()
    hold(show, "A2", hold_ms=DAY_MS // 24)
    book(show, "A4", by=BEN)
    assert book(show, "A1").reason is None
    assert book(show, "A5").reason is Reason.COMPANION_ONLY, "the accessible seat is somebody else's"
    assert book(show, "A3", at=2 * DAY_MS).reason is Reason.COMPANION_ONLY, "the hold has expired"


def test_a_day_before_the_start_companion_seats_are_for_all() -> None:
    show = theatre()
    assert book(show, "A1", at=99 * DAY_MS - 1).reason is Reason.COMPANION_ONLY
    assert book(show, "A1", at=99 * DAY_MS).reason is None
    assert book(theatre(), "A1", by=STAFF).reason is None


def test_a_taken_or_blocked_seat_is_named_before_a_lone_companion_and_that_before_the_limit() -> None:
    show = theatre(seats_per_customer=1)
    book(show, "A6", by=BEN)
    assert book(show, "A1", "A6").reason is Reason.SEAT_TAKEN
    assert book(show, "A1", "A7").reason is Reason.COMPANION_ONLY


def test_a_change_of_seats_keeps_the_rule_of_companion_seats() -> None:
    show = theatre()
    booking_id = id_of(book(show, "A2"))
    decision = ask(show, ChangeSeats, booking_id=booking_id, seats=("A3",))
    assert decision.reason is Reason.COMPANION_ONLY, "the seat beside it is given up"
    other = id_of(book(show, "A6"))
    assert ask(show, ChangeSeats, booking_id=other, seats=("A3",)).reason is None
    assert ask(show, ChangeSeats, booking_id=booking_id, seats=("A7",)).reason is None, "given back later"


@pytest.mark.parametrize(
    ("quantity", "adjacent", "seats"),
    [
        (1, True, ("A4",)),  # A2 would leave two companion seats alone
        (3, True, ("A1", "A2", "A3")),
        (4, True, None),
        (5, False, ("A1", "A2", "A3", "A4", "A5")),
        (6, False, None),
    ],
)
def test_the_best_accessible_seats_have_their_companions_beside_them(
    quantity: int, adjacent: bool, seats: tuple[str, ...] | None
) -> None:
    show = theatre()
    decision = book(show, quantity=quantity, adjacent=adjacent, kind="accessible")
    assert (decision.booking.seats if decision.booking else None) == seats


def test_best_seats_leave_accessible_and_companion_seats_alone() -> None:
    show = theatre()
    two = ask(show, BookSeats, booking_id=next_id(), quantity=2)
    assert two.booking is not None
    assert two.booking.seats == ("A6", "A7")
    assert ask(show, BookSeats, booking_id=next_id(), quantity=1).reason is Reason.NOT_ENOUGH_SEATS


def test_best_seats_cost_no_more_than_the_highest_price() -> None:
    show = opened()
    for amount, found in ((499, None), (500, "C"), (1000, "A")):
        decision = ask(
            show, BookSeats, booking_id=next_id(), quantity=1, max_price=Money(amount, "EUR"), by=amount
        )
        assert (decision.booking and decision.booking.seats[0][0]) == found
    other = ask(show, BookSeats, booking_id=next_id(), quantity=1, max_price=Money(1000, "CHF"))
    assert other.reason is Reason.VALIDATION


# --- payment ---


def test_customers_have_to_pay_where_the_terms_say_so() -> None:
    show = opened(payment="required")
    assert book(show, "A1").reason is Reason.PAYMENT_REQUIRED
    held = id_of(hold(show, "A1"))
    assert ask(show, ConfirmBooking, booking_id=held).reason is Reason.PAYMENT_REQUIRED
    assert ask(show, ConfirmBooking, by=STAFF, booking_id=held).reason is None
    assert book(show, "A2", by=STAFF, walk_in=True).reason is None
    paid = id_of(hold(show, "A3", by=STAFF, customer_id=ANN, paid=True))
    assert ask(show, ConfirmBooking, booking_id=paid).reason is None


def test_nothing_is_to_be_paid_for_free_seats() -> None:
    free = Layout((Section("", Money(0, "EUR"), (Row("A", 4),)),))
    show = Show(SHOW, Seating(free))
    opening = OpenShow(
        command_id=next_id(),
        show_id=SHOW,
        layout_id=1,
        layout_digest="0" * 64,
        starts_ms=DAY_MS,
        seats_per_customer=4,
        payment="required",
    )
    step(show, opening, 0)
    assert book(show, "A1").reason is None


def test_the_limit_is_named_before_the_payment() -> None:
    assert book(opened(payment="required", seats_per_customer=0), "A1").reason is Reason.LIMIT_EXCEEDED


# --- blocks for a purpose ---


def block(show: Show, *seats: str, at: int = 0, **more: Any) -> Any:
    return ask(show, BlockSeats, by=STAFF, at=at, seats=seats, **more).events


def test_blocked_seats_are_released_by_log_time_once() -> None:
    show = opened()
    block(show, "A1", "A2", code="press", release_ms=5_000)
    block(show, "A3", code="house")
    assert show.next_expiry_ms() == 5_000
    assert ask(show, ExpireHolds, at=4_999).events == ()
    assert ask(show, ExpireHolds, at=5_000).events == (SeatsUnblocked(SHOW, ("A1", "A2")),)
    assert ask(show, ExpireHolds, at=5_001).events == ()
    assert show.states.decode()[:4] == "aaba"
    assert show.available == 19
    assert show.next_expiry_ms() is None


def test_holds_expire_before_blocks_are_released() -> None:
    show = opened()
    hold(show, "A1", hold_ms=5_000)
    block(show, "A2", release_ms=4_000)
    names = [type(event).__name__ for event in ask(show, ExpireHolds, at=6_000).events]
    assert names == ["HoldExpired", "SeatsUnblocked"]


def test_a_seat_that_was_unblocked_and_blocked_again_is_not_released_by_the_first_block() -> None:
    show = opened()
    block(show, "A1", release_ms=5_000)
    ask(show, UnblockSeats, by=STAFF, seats=("A1",))
    block(show, "A1")
    assert ask(show, ExpireHolds, at=6_000).events == ()
    assert show.states.decode()[0] == "b"


def test_blocking_again_changes_code_and_release_only_if_it_has_either() -> None:
    show = opened()
    block(show, "A1", code="press", release_ms=5_000)
    assert block(show, "A1") == ()
    assert block(show, "A1", code="press", release_ms=5_000) == ()
    assert block(show, "A1", "A2", code="house") == (
        SeatsUnblocked(SHOW, ("A1",)),
        SeatsBlocked(SHOW, ("A1", "A2"), "house", None),
    )
    assert show.block(0) == show.block(1) == Block("house", None)
    assert show.next_expiry_ms() is None
    assert show.available == 18


def test_a_released_seat_can_be_held_in_the_same_command() -> None:
    show = opened()
    block(show, "A1", release_ms=5_000)
    decision = ask(show, HoldSeats, booking_id=next_id(), seats=("A1",), hold_ms=1_000, at=5_000)
    assert [type(event).__name__ for event in decision.events] == ["SeatsUnblocked", "BookingHeld"]
