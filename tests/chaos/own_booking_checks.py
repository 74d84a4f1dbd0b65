"""Checks of `yours`: a refusal names all bookings of its customer that are in the way, and nobody else's. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.chaos.booking_replay import LIVE, BookingTrace, ShowReplay, seconds
from tests.chaos.history import History, Outcome, Request
from tests.chaos.response_checks import describe
from tests.chaos.stored_state import StoredState

MAX_NAMED = 10


def wrong_yours(history: History, stored: StoredState, shows: dict[int, ShowReplay]) -> Iterator[str]:
    """Yields refusals that name a booking that is not the customer's or not in the way, or leave one out."""
    for request in history.requests:
        show = shows[request.show_id]
        owner_id = _owner_of(request, show)
        for outcome in request.outcomes:
            for wrong in _wrong_named(request, outcome, owner_id, stored, show):
                yield f"{describe(request)}: {wrong}"
            missing = _missing(request, outcome, owner_id, show)
            if missing:
                yield f"{describe(request)}: refused because of {missing}, which yours leaves out"


def _owner_of(request: Request, show: ShowReplay) -> int | None:
    """The customer for whom a request is decided."""
    if request.makes:
        return request.owner_id
    trace = show.bookings.get(request.booking_id)
    return None if trace is None else trace.made.owner_id


def _wrong_named(
    request: Request, outcome: Outcome, owner_id: int | None, stored: StoredState, show: ShowReplay
) -> Iterator[str]:
    problem: Any = outcome.body
    if "yours" not in problem:
        return
    named = problem["yours"]
    if outcome.status < 400 or problem["code"] not in ("seat_taken", "limit_exceeded") or not named:
        yield f"yours where there is nothing to name: {problem}"
        return
    for one in named:
        row = stored.bookings.get(one["id"])
        if row is None or owner_id is None or row.user_id != owner_id or row.show_id != request.show_id:
            yield f"yours has the booking {one['id']} of somebody else: {row}"
            continue
        if one["id"] == request.booking_id:
            yield f"yours has the booking itself: {one}"
        if problem["code"] == "seat_taken" and set(problem["seats"]).isdisjoint(one["seats"]):
            yield f"yours has a booking that is not in the way of {problem['seats']}: {one}"
        trace = show.bookings.get(one["id"])
        if trace is not None:
            seen = trace.seen(request.first_sent, outcome.at)
            met = (one["status"], tuple(one["seats"]), seconds(one["expires_at"]))
            if met not in {(state.status, state.seats, state.expires_s) for state in seen}:
                yield f"yours has {one}, and it was only {seen}"


def _missing(request: Request, outcome: Outcome, owner_id: int | None, show: ShowReplay) -> list[str]:
    """The bookings that were surely in the way, and are not named."""
    if outcome.status < 400 or outcome.body["code"] != "seat_taken" or owner_id is None or request.withholds:
        return []
    named = outcome.body.get("yours", [])
    if len(named) >= MAX_NAMED:
        return []
    known = {one["id"] for one in named}
    at_fault = set(outcome.body["seats"])
    return [
        booking_id
        for booking_id, trace in show.bookings.items()
        if booking_id not in {*known, request.booking_id}
        and trace.made.owner_id == owner_id
        and _surely_had(trace, at_fault, request, outcome, show.clock_s)
    ]


def _surely_had(
    trace: BookingTrace, seats: set[str], request: Request, outcome: Outcome, clock_s: float
) -> bool:
    """Whether a booking was live with one of these seats, and nothing else was asked of it, while a request ran."""
    made = trace.made
    if made.accepted["status"] not in LIVE or made.known_at > request.first_sent:
        return False
    if any(move.first_sent <= outcome.at for move in trace.moves if move.attempts):
        return False
    lasts = seconds(made.accepted["expires_at"]) > outcome.at + clock_s
    return lasts and not seats.isdisjoint(made.accepted["seats"])
