"""Checks of responses during a storm against the contract. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.history import Attempt, Fault, History, Outcome, Request
from tests.chaos.show_plans import NO_LIMIT

_TAKING = {"seat_taken", "seat_blocked", "companion_only"}
REFUSALS = {
    "book": _TAKING | {"limit_exceeded", "not_enough_seats"},
    "hold": _TAKING | {"limit_exceeded", "not_enough_seats"},
    "confirm": {"already_confirmed", "already_cancelled", "hold_expired"},
    "cancel": {"already_cancelled", "hold_expired"},
    "extend": {"already_confirmed", "already_cancelled", "hold_expired", "hold_limit"},
    "seats": _TAKING | {"already_cancelled", "hold_expired", "validation"},
    "swap": {"already_cancelled", "hold_expired"},
    "block": {"seat_taken", "validation"},
    "unblock": {"seat_taken"},
}
"""Refusals that these clients may get: they change their own bookings, or are staff. Whether a booking was really in
that state is checked in booking_checks.py, whether its seats were in seat_checks.py."""

UNAVAILABLE = frozenset({"log_unavailable", "database_unavailable", "overloaded"})

_EXPLAINING_PARTS = ("gateway", "supervisor")
_GRACE_S = 1.0
_STATUS = {
    "book": {"confirmed"},
    "hold": {"held"},
    "confirm": {"confirmed"},
    "cancel": {"cancelled", "released"},
    "extend": {"held"},
    "seats": {"held", "confirmed"},
    "swap": {"held", "confirmed"},
}


def wrong_responses(history: History) -> Iterator[str]:
    """Yields responses that the contract does not allow, and missing responses while all gateways ran."""
    owners = {
        request.accepted["id"]: request.owner_id
        for request in history.requests
        if request.makes and request.accepted is not None
    }
    limits = {plan.show_id: plan.limit for plan in history.shows}
    for request in history.requests:
        for attempt in request.attempts:
            if wrong := _wrong_attempt(request, attempt, history):
                yield f"{describe(request)}: {wrong}"
        for outcome in request.outcomes:
            if outcome.status >= 400:
                wrong = _wrong_refusal(request, outcome, limits[request.show_id])
            else:
                wrong = "" if request.withholds else _wrong_booking(request, outcome.body, owners)
            if wrong:
                yield f"{describe(request)}: {wrong}"


def wrong_keys(requests: list[Request]) -> Iterator[str]:
    """Yields keys with different outcomes, and keys without an outcome."""
    for request in requests:
        if request.key is None:
            continue
        if not request.outcomes:
            yield f"{describe(request)}: no certain answer, however often it was sent"
        answers = {
            (outcome.status, msgspec.json.encode(outcome.body, order="sorted"))
            for outcome in request.outcomes
        }
        if len(answers) > 1:
            yield f"{describe(request)}: different answers to the same key: {sorted(answers)}"


def _wrong_attempt(request: Request, attempt: Attempt, history: History) -> str:
    match attempt.status:
        case 0:
            if not any(_explains(fault, attempt) for fault in history.faults):
                return f"no answer ({attempt.error}) while every gateway ran, sent at {attempt.sent:.2f}"
        case 200 | 201:
            if attempt.status != (201 if request.makes else 200):
                return f"{attempt.status} with {attempt.body}"
        case 202:
            if not (attempt.location.startswith("/api/commands/") and attempt.retry_after):
                return "202 without Location and Retry-After"
            if attempt.command is None or attempt.command.get("status") not in ("accepted", "refused"):
                return f"202 for {attempt.location}, which was never decided: {attempt.command}"
        case 400:
            return _wrong_validation(request, attempt, history.clock_s)
        case 409:
            pass  # checked as an outcome, like the final response to a 202
        case 503:
            if attempt.code not in UNAVAILABLE or not attempt.retry_after:
                return f"503 {attempt.body}, Retry-After: {attempt.retry_after!r}"
        case _:
            return f"{attempt.status} {attempt.body}"
    return ""


def _wrong_validation(request: Request, attempt: Attempt, clock_s: float) -> str:
    """A change by its customer after staff changed the number of seats, or a block that is over before it is sent."""
    if request.kind == "seats" and not request.staff and "decided" in attempt.body:
        return ""
    if request.release_s is not None and attempt.ended + clock_s > request.release_s:
        return ""
    return f"400 {attempt.body}"


def _wrong_refusal(request: Request, outcome: Outcome, limit: int) -> str:
    code = outcome.body.get("code")
    allowed = outcome.status == (400 if code == "validation" else 409) and code in REFUSALS[request.kind]
    if code == "companion_only":
        allowed = allowed and not request.staff
    if code == "limit_exceeded":
        allowed = allowed and limit < NO_LIMIT and request.owner_id is not None and not request.lift_limit
    return "" if allowed else f"refused with {outcome.status} {code}"


def _wrong_booking(request: Request, body: Any, owners: dict[str, int | None]) -> str:
    if body["status"] not in _STATUS[request.kind]:
        return f"accepted with {body}"
    if not request.makes and body["id"] != request.booking_id:
        return f"accepted with another booking, {body}"
    if body["user_id"] != owners.get(body["id"]):
        return f"accepted with another owner than {owners.get(body['id'])}: {body}"
    if request.seats and set(body["seats"]) != set(request.seats):
        return f"other seats than asked for: {body['seats']}"
    if request.quantity and len(body["seats"]) != request.quantity:
        return f"not {request.quantity} seats: {body['seats']}"
    return ""


def _explains(fault: Fault, attempt: Attempt) -> bool:
    during = fault.began - _GRACE_S <= attempt.ended and attempt.sent <= fault.over + _GRACE_S
    return during and fault.part.startswith(_EXPLAINING_PARTS)


def describe(request: Request) -> str:
    """Returns a request as text."""
    who = "staff" if request.staff else "user"
    seats = ",".join(request.seats) or (f"{request.quantity} of the best" if request.quantity else "")
    what = " ".join(filter(None, (request.kind, request.booking_id, request.with_id, request.code, seats)))
    return f"{who} {request.user_id}, key {request.key}, show {request.show_id}, {what}"
