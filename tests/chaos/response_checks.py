"""Checks of responses during a storm against the contract. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.history import Attempt, Fault, History, Outcome, Request

REFUSALS = {
    "book": {"seat_taken", "not_enough_seats"},
    "hold": {"seat_taken", "not_enough_seats"},
    "confirm": {"already_confirmed", "already_cancelled", "hold_expired"},
    "cancel": {"already_cancelled", "hold_expired"},
}
"""Of these clients: they move only what is theirs, and have no limit. Whether a booking was confirmed or
cancelled indeed is looked into with its story."""

UNAVAILABLE = frozenset({"log_unavailable", "database_unavailable", "overloaded"})

_FRONT = ("gateway", "supervisor")
_GRACE_S = 1.0
_STATUS = {
    "book": {"confirmed"},
    "hold": {"held"},
    "confirm": {"confirmed"},
    "cancel": {"cancelled", "released"},
}


def wrong_responses(history: History) -> Iterator[str]:
    """Yields responses that the contract does not allow, and missing responses while all gateways ran."""
    for request in history.requests:
        for attempt in request.attempts:
            if wrong := _wrong_attempt(request, attempt, history.faults):
                yield f"{describe(request)}: {wrong}"
        for outcome in request.outcomes:
            if wrong := _wrong_outcome(request, outcome):
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


def _wrong_attempt(request: Request, attempt: Attempt, faults: list[Fault]) -> str:
    match attempt.status:
        case 0:
            if not any(_explains(fault, attempt) for fault in faults):
                return f"no answer ({attempt.error}) while every gateway ran, sent at {attempt.sent:.2f}"
        case 200 | 201:
            if attempt.status != (201 if request.makes else 200):
                return f"{attempt.status} with {attempt.body}"
        case 202:
            if not (attempt.location.startswith("/api/commands/") and attempt.retry_after):
                return "202 without Location and Retry-After"
            if attempt.command is None or attempt.command.get("status") not in ("accepted", "refused"):
                return f"202 for {attempt.location}, which was never decided: {attempt.command}"
        case 409:
            pass  # judged as an outcome, like the fate of a 202
        case 503:
            if attempt.code not in UNAVAILABLE or not attempt.retry_after:
                return f"503 {attempt.body}, Retry-After: {attempt.retry_after!r}"
        case _:
            return f"{attempt.status} {attempt.body}"
    return ""


def _wrong_outcome(request: Request, outcome: Outcome) -> str:
    body: Any = outcome.body
    if outcome.status >= 400:
        allowed = outcome.status == 409 and body.get("code") in REFUSALS[request.kind]
        return "" if allowed else f"refused with {outcome.status} {body.get('code')}"
    if body["status"] not in _STATUS[request.kind] or body["user_id"] != request.user_id:
        return f"accepted with {body}"
    if not request.makes:
        return "" if body["id"] == request.booking_id else f"accepted with another booking, {body}"
    if request.seats:
        return (
            "" if set(body["seats"]) == set(request.seats) else f"other seats than asked for: {body['seats']}"
        )
    numbers = sorted(map(int, body["seats"]))
    side_by_side = numbers == list(range(numbers[0], numbers[0] + request.quantity)) if numbers else False
    return "" if side_by_side else f"not {request.quantity} seats side by side: {body['seats']}"


def _explains(fault: Fault, attempt: Attempt) -> bool:
    during = fault.began - _GRACE_S <= attempt.ended and attempt.sent <= fault.over + _GRACE_S
    return during and fault.part.startswith(_FRONT)


def describe(request: Request) -> str:
    """Returns a request as text."""
    what = request.booking_id or ",".join(request.seats) or f"{request.quantity} of the best"
    return f"user {request.user_id}, key {request.key}, show {request.show_id}, {request.kind} {what}"
