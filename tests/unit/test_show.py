"""Tests of the rules of bookings and holds, derived from the table in seat_workers/transitions.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from schemas.events import BookingStatus, Decision, HoldExpired, Reason
from seat_workers import transitions
from seat_workers.show_state import Show
from seat_workers.transitions import TRANSITIONS
from tests.unit.show_fixture import (
    ANN,
    BEN,
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

TAKING: list[type[Any]] = [BookSeats, HoldSeats]


def take(show: Show, kind: type[Any], *seats: str, **asked: Any) -> Decision:
    """Books or holds, according to `kind`."""
    return book(show, *seats, **asked) if kind is BookSeats else hold(show, *seats, **asked)


def test_the_documented_table_equals_the_transitions() -> None:
    lines = [line.split() for line in (transitions.__doc__ or "").splitlines() if line.startswith("    ")]
    names = {kind.__name__: kind for _, kind in TRANSITIONS}
    written = {}
    kinds: list[type[Any]] = []
    for first, *cells in lines:
        if first == "status":
            kinds = [names.get(word, ExpireHolds) for word in cells[2:] if word != "expires"]
            continue
        for kind, cell in zip(kinds, cells, strict=True):
            if cell != "–":
                written[None if first == "(none)" else BookingStatus(first), kind] = cell
    followed = {
        key: outcome.value if isinstance(outcome, Reason) else outcome[1].value
        for key, outcome in TRANSITIONS.items()
    }
    assert written == followed


def test_the_table_covers_commands_for_a_booking_in_every_status() -> None:
    for_a_booking = [ConfirmBooking, CancelBooking, ExtendHold, ChangeSeats, SwapSeats]
    for status, kind in itertools.product([None, *BookingStatus], for_a_booking):
        assert (status, kind) in TRANSITIONS


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
def test_every_transition_of_a_booking_follows_the_table(
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


def test_booking_is_all_or_nothing_and_names_every_seat_at_fault() -> None:
    show = opened()
    book(show, "A1", "A3")
    decision = book(show, "A3", "A2", "A1", by=BEN)
    assert (decision.reason, decision.seats) == (Reason.SEAT_TAKEN, ("A1", "A3"))
    assert book(show, "A2", by=BEN).reason is None


FAULTS: list[tuple[Reason, Callable[[Show], Any], tuple[str, ...]]] = [
    (Reason.SHOW_CANCELLED, lambda show: ask(show, CancelShow, by=STAFF), ()),
    (Reason.SHOW_CLOSED, lambda show: ask(show, CloseShow, by=STAFF), ()),
    (Reason.NOT_ON_SALE, lambda show: ask(show, ChangeShow, by=STAFF, sales_start_ms=101), ()),
    (Reason.SHOW_STARTED, lambda show: ask(show, ChangeShow, by=STAFF, starts_ms=100), ()),
    (Reason.SEAT_UNKNOWN, lambda show: None, ("X9", "Y1")),
    (Reason.SEAT_TAKEN, lambda show: None, ("A1", "A3")),
    (Reason.SEAT_BLOCKED, lambda show: None, ("B1", "B2")),
    (Reason.LIMIT_EXCEEDED, lambda show: ask(show, ChangeShow, by=STAFF, seats_per_customer=0), ()),
]
"""Reasons to refuse a request for seats at 100 ms, in the order of the API, each with its cause and the seats at fault.
A1 and A3 are taken, B1 and B2 are blocked."""


@pytest.mark.parametrize("kind", TAKING)
@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_several_reasons_give_the_first_in_the_order_of_the_api(kind: type[Any], first: int) -> None:
    reason, _, at_fault = FAULTS[first]
    for also in range(first, len(FAULTS)):
        show = opened()
        book(show, "A1", "A3", by=BEN)
        ask(show, BlockSeats, by=STAFF, seats=("B1", "B2"))
        for fault in sorted({first, also}, reverse=True):
            FAULTS[fault][1](show)
        seats = {"C1", *at_fault, *FAULTS[also][2]}
        before = bytes(show.states)
        refused = take(show, kind, *sorted(seats, reverse=True), at=100)
        assert (refused.reason, refused.seats) == (reason, at_fault), FAULTS[also][0]
        assert (refused.events, refused.booking) == ((), None)
        assert bytes(show.states) == before


def test_a_refusal_has_the_start_of_sales_or_the_limit() -> None:
    show = opened(seats_per_customer=1, sales_start_ms=100)
    assert book(show, "A1", at=99).limit == 100
    assert book(show, "A1", at=100).reason is None
    refused = book(show, "A2", at=100)
    assert (refused.reason, refused.limit) == (Reason.LIMIT_EXCEEDED, 1)


def test_sales_end_at_the_time_of_the_terms() -> None:
    show = opened(sales_end_ms=500)
    assert book(show, "A1", at=499).reason is None
    assert book(show, "A2", at=500).reason is Reason.SHOW_CLOSED


@pytest.mark.parametrize("kind", TAKING)
def test_requests_that_gateways_reject_are_refused_too(kind: type[Any]) -> None:
    show = opened()
    assert take(show, kind).reason is Reason.VALIDATION
    assert take(show, kind, "A1", "A1").reason is Reason.VALIDATION
    assert take(show, kind, *(f"C{n}" for n in range(1, 12))).reason is Reason.TOO_MANY_SEATS
    assert take(unopened(), kind, "A1").reason is Reason.NOT_FOUND
    used: dict[str, Any] = {"booking_id": id_of(take(show, kind, "A1")), "seats": ("A2",)}
    if kind is HoldSeats:
        used["hold_ms"] = 1_000
    again = ask(show, kind, **used)
    assert again.reason is Reason.VALIDATION, "a booking's id is used once"


@pytest.mark.parametrize("kind", TAKING)
def test_ten_seats_can_be_taken_at_once(kind: type[Any]) -> None:
    assert take(opened(), kind, *(f"C{n}" for n in range(1, 11))).reason is None
    assert take(opened(), kind, quantity=10).reason is None


def test_only_staff_can_cancel_bookings_of_others() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    assert ask(show, CancelBooking, by=BEN, booking_id=booking_id).reason is Reason.NOT_YOURS
    assert ask(show, CancelBooking, by=STAFF, booking_id=booking_id).reason is None


def test_after_the_start_only_staff_can_cancel() -> None:
    show = opened()
    booking_id = id_of(book(show, "A1"))
    assert ask(show, CancelBooking, at=STARTS_MS, booking_id=booking_id).reason is Reason.SHOW_STARTED
    assert ask(show, CancelBooking, by=STAFF, at=STARTS_MS, booking_id=booking_id).reason is None


def test_a_hold_can_be_confirmed_after_the_start_until_it_expires() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1", at=STARTS_MS - 1))
    confirmed = ask(show, ConfirmBooking, at=STARTS_MS, booking_id=booking_id)
    assert confirmed.booking is not None
    assert confirmed.booking.status is BookingStatus.CONFIRMED


def test_a_closed_show_still_allows_confirming_and_cancelling() -> None:
    show = opened()
    held, booked = id_of(hold(show, "A1")), id_of(book(show, "A2"))
    ask(show, CloseShow, by=STAFF)
    assert ask(show, ConfirmBooking, booking_id=held).reason is None
    assert ask(show, CancelBooking, booking_id=booked).reason is None


def test_a_booking_by_staff_counts_towards_the_customers_limit() -> None:
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


def test_a_refused_command_still_expires_holds() -> None:
    show = opened()
    hold(show, "A1", hold_ms=1_000)
    decision = book(show, "X9", at=2_000)
    assert decision.reason is Reason.SEAT_UNKNOWN
    assert [type(event) for event in decision.events] == [HoldExpired]
    assert show.available == 20


def test_a_confirmed_hold_does_not_expire() -> None:
    show = opened()
    booking_id = id_of(hold(show, "A1", hold_ms=1_000))
    assert ask(show, ConfirmBooking, at=999, booking_id=booking_id).reason is None
    assert ask(show, ExpireHolds, at=5_000).events == ()
    assert show.next_expiry_ms() is None
    assert show.states[0] == ord("s")


def test_held_seats_count_towards_the_limit_until_they_expire() -> None:
    show = opened(seats_per_customer=2)
    hold(show, "A1", "A2", hold_ms=1_000)
    assert book(show, "A3", at=999).reason is Reason.LIMIT_EXCEEDED
    assert book(show, "A3", at=1_000).reason is None


def test_holds_expire_in_order_of_time_then_id() -> None:
    show = opened()
    later, sooner, same = (
        id_of(hold(show, f"A{n}", hold_ms=ms)) for n, ms in ((1, 3_000), (2, 1_000), (3, 1_000))
    )
    events = ask(show, ExpireHolds, at=9_000).events
    assert [event.booking.booking_id for event in events if isinstance(event, HoldExpired)] == [
        sooner,
        same,
        later,
    ]
