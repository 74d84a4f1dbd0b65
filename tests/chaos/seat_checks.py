"""Checks of the seats in responses against the layouts: prices, order, kinds, best seats, seats at fault. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.booking_replay import ShowReplay
from tests.chaos.history import History, Request
from tests.chaos.response_checks import describe
from tests.chaos.show_plans import CURRENCY, ShowPlan
from tests.chaos.stored_state import StoredState

_Owned = dict[tuple[int, int | None], set[str]]
"""(show, owner) → seats that the owner may ever have had there."""


def wrong_seats(history: History, stored: StoredState, shows: dict[int, ShowReplay]) -> Iterator[str]:
    """Yields responses with seats or totals that the layout does not allow, and seats wrongly named as at fault."""
    plans = {plan.show_id: plan for plan in history.shows}
    owned = _owned(stored, shows)
    for request in history.requests:
        plan = plans[request.show_id]
        for outcome in request.outcomes:
            if outcome.status >= 400:
                wrong = _wrong_fault(request, outcome.body, plan)
            elif request.withholds:
                continue
            else:
                wrong = _wrong_total(outcome.body, plan) or _wrong_choice(request, outcome.body, plan, owned)
            if wrong:
                yield f"{describe(request)}: {wrong}"
    for show_id, kinds in stored.kinds.items():
        if kinds != plans[show_id].kinds:
            yield f"the map of show {show_id} has the kinds {kinds}, the layout {plans[show_id].kinds}"


def _owned(stored: StoredState, shows: dict[int, ShowReplay]) -> _Owned:
    owned: _Owned = defaultdict(set)
    for show_id, show in shows.items():
        for trace in show.bookings.values():
            for state in trace.ever():
                owned[show_id, trace.made.owner_id] |= set(state.seats)
    for row in stored.bookings.values():
        owned[row.show_id, row.user_id or None] |= set(row.seats)
    return owned


def _wrong_total(body: Any, plan: ShowPlan) -> str:
    indexes = [plan.indexes.get(label, -1) for label in body["seats"]]
    if -1 in indexes:
        return f"seats that the show does not have: {body['seats']}"
    if indexes != sorted(indexes):
        return f"seats that are not in layout order: {body['seats']}"
    total = {"amount": plan.total(body["seats"]), "currency": CURRENCY}
    return "" if body["total"] == total else f"the seats cost {total}, and the total is {body['total']}"


def _wrong_choice(request: Request, body: Any, plan: ShowPlan, owned: _Owned) -> str:
    seats = plan.of(body["seats"])
    if request.quantity:
        if not request.apart and not plan.adjacent(body["seats"]):
            return f"not {request.quantity} seats side by side: {body['seats']}"
        if request.max_price is not None and any(seat.price > request.max_price for seat in seats):
            return f"a seat costs more than {request.max_price}: {body['seats']}"
        if not request.accessible and any(seat.kind in "wc" for seat in seats):
            return f"accessible or companion seats, which were not asked for: {body['seats']}"
        if request.accessible and any(seat.kind not in "wc" for seat in seats):
            return f"seats that are neither accessible nor for companions: {body['seats']}"
    if request.staff and not request.accessible:
        return ""
    if request.makes or request.kind == "seats":
        may_have = set(body["seats"])
        if not request.accessible:
            may_have |= owned[plan.show_id, body["user_id"]]
        for seat in seats:
            if seat.kind == "c" and not _accessible_beside(plan, seat.label, may_have):
                return f"the companion seat {seat.label} without an accessible one: {body['seats']}"
    return ""


def _wrong_fault(request: Request, problem: Any, plan: ShowPlan) -> str:
    code, seats = problem.get("code"), problem.get("seats", [])
    if code not in ("seat_taken", "seat_blocked", "companion_only"):
        return ""
    if not seats or not set(seats) <= set(request.seats):
        return f"refused with {code} for the seats {seats}"
    if code == "companion_only":
        for seat in plan.of(seats):
            if seat.kind != "c" or _accessible_beside(plan, seat.label, set(request.seats)):
                return f"refused with companion_only for {seat.label}"
    return ""


def _accessible_beside(plan: ShowPlan, label: str, among: set[str]) -> bool:
    return any(seat.kind == "w" and seat.label in among for seat in plan.neighbours(label))
