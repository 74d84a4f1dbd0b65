"""Tests of requests for the best available seats: refusals, limits and bookings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.commands import BlockSeats, CancelShow, ChangeShow, CloseShow
from schemas.events import BookingStatus, Decision, Reason
from seat_workers.show_state import Show
from tests.unit.show_fixture import ANN, STAFF, ask, book, hold, opened

BOTH: list[Callable[..., Decision]] = [book, hold]


@pytest.mark.parametrize("take", BOTH)
def test_the_best_seats_are_taken_at_their_prices(take: Callable[..., Decision]) -> None:
    show = opened()
    decision = take(show, quantity=2)
    assert decision.booking is not None
    assert (decision.booking.seats, decision.booking.total) == (("A1", "A2"), 2000)
    assert decision.booking.status is (BookingStatus.CONFIRMED if take is book else BookingStatus.HELD)
    assert show.available == 18
    circle = take(show, quantity=2, section="Circle").booking
    assert circle is not None
    assert (circle.seats, circle.total) == (("C6", "C7"), 1000)


def test_a_group_larger_than_a_row_is_split_only_if_allowed() -> None:
    show = opened()
    assert book(show, quantity=6, section="Stalls").reason is Reason.NOT_ENOUGH_SEATS
    decision = book(show, quantity=6, section="Stalls", adjacent=False)
    assert decision.booking is not None
    assert decision.booking.seats == ("A1", "A2", "A3", "A4", "B1", "B2")


FAULTS: list[tuple[Reason, Callable[[Show], Any], dict[str, Any]]] = [
    (Reason.SHOW_CANCELLED, lambda show: ask(show, CancelShow, by=STAFF), {}),
    (Reason.SHOW_CLOSED, lambda show: ask(show, CloseShow, by=STAFF), {}),
    (Reason.NOT_ON_SALE, lambda show: ask(show, ChangeShow, by=STAFF, sales_start_ms=101), {}),
    (Reason.SHOW_STARTED, lambda show: ask(show, ChangeShow, by=STAFF, starts_ms=100), {}),
    (Reason.VALIDATION, lambda show: None, {"seats": ("C1",)}),
    (Reason.TOO_MANY_SEATS, lambda show: None, {"quantity": 11}),
    (Reason.SEAT_UNKNOWN, lambda show: None, {"section": "Balcony"}),
    (Reason.NOT_ENOUGH_SEATS, lambda show: ask(show, BlockSeats, by=STAFF, seats=show.seating.labels), {}),
    (Reason.LIMIT_EXCEEDED, lambda show: ask(show, ChangeShow, by=STAFF, seats_per_customer=0), {}),
]
"""Reasons to refuse a request for best seats at 100 ms, in the order of the API."""


@pytest.mark.parametrize("take", BOTH)
@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_several_reasons_give_the_first(take: Callable[..., Decision], first: int) -> None:
    for also in range(first, len(FAULTS)):
        show = opened()
        for fault in sorted({first, also}, reverse=True):
            FAULTS[fault][1](show)
        asked: dict[str, Any] = {"quantity": 2} | FAULTS[first][2] | FAULTS[also][2]
        refused = take(show, *asked.pop("seats", ()), by=ANN, at=100, **asked)
        assert (refused.reason, refused.seats) == (FAULTS[first][0], ()), FAULTS[also][0]
        assert refused.events == ()


def test_best_seats_count_towards_the_limit() -> None:
    show = opened(seats_per_customer=3)
    assert book(show, quantity=2).reason is None
    refused = hold(show, quantity=2)
    assert (refused.reason, refused.limit) == (Reason.LIMIT_EXCEEDED, 3)
    assert hold(show, quantity=1).reason is None
