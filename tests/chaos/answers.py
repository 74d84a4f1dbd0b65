"""What clients may be answered during a storm: what the contract allows, for a reason that is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.history import Attempt, Fault, History, Outcome, Wish

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


def wrong_answers(history: History) -> Iterator[str]:
    """Each answer is one that the contract allows; no answer at all only while a gateway was dead."""
    for wish in history.wishes:
        for attempt in wish.attempts:
            if wrong := _wrong_attempt(wish, attempt, history.faults):
                yield f"{named(wish)}: {wrong}"
        for outcome in wish.outcomes:
            if wrong := _wrong_outcome(wish, outcome):
                yield f"{named(wish)}: {wrong}"


def wrong_keys(wishes: list[Wish]) -> Iterator[str]:
    """Each key counts once: all certain answers to it are one answer, and there is one in the end."""
    for wish in wishes:
        if wish.key is None:
            continue
        if not wish.outcomes:
            yield f"{named(wish)}: no certain answer, however often it was sent"
        answers = {
            (outcome.status, msgspec.json.encode(outcome.body, order="sorted")) for outcome in wish.outcomes
        }
        if len(answers) > 1:
            yield f"{named(wish)}: different answers to the same key: {sorted(answers)}"


def _wrong_attempt(wish: Wish, attempt: Attempt, faults: list[Fault]) -> str:
    match attempt.status:
        case 0:
            if not any(_explains(fault, attempt) for fault in faults):
                return f"no answer ({attempt.error}) while every gateway ran, sent at {attempt.sent:.2f}"
        case 200 | 201:
            if attempt.status != (201 if wish.makes else 200):
                return f"{attempt.status} with {attempt.body}"
        case 202:
            if not (attempt.location.startswith("/api/commands/") and attempt.retry_after):
                return "202 without Location and Retry-After"
            if attempt.fate is None or attempt.fate.get("status") not in ("accepted", "refused"):
                return f"202 for {attempt.location}, which was never decided: {attempt.fate}"
        case 409:
            pass  # judged as an outcome, like the fate of a 202
        case 503:
            if attempt.code not in UNAVAILABLE or not attempt.retry_after:
                return f"503 {attempt.body}, Retry-After: {attempt.retry_after!r}"
        case _:
            return f"{attempt.status} {attempt.body}"
    return ""


def _wrong_outcome(wish: Wish, outcome: Outcome) -> str:
    body: Any = outcome.body
    if outcome.status >= 400:
        allowed = outcome.status == 409 and body.get("code") in REFUSALS[wish.kind]
        return "" if allowed else f"refused with {outcome.status} {body.get('code')}"
    if body["status"] not in _STATUS[wish.kind] or body["user_id"] != wish.user_id:
        return f"accepted with {body}"
    if not wish.makes:
        return "" if body["id"] == wish.booking_id else f"accepted with another booking, {body}"
    if wish.seats:
        return "" if set(body["seats"]) == set(wish.seats) else f"other seats than asked for: {body['seats']}"
    numbers = sorted(map(int, body["seats"]))
    side_by_side = numbers == list(range(numbers[0], numbers[0] + wish.quantity)) if numbers else False
    return "" if side_by_side else f"not {wish.quantity} seats side by side: {body['seats']}"


def _explains(fault: Fault, attempt: Attempt) -> bool:
    during = fault.began - _GRACE_S <= attempt.ended and attempt.sent <= fault.over + _GRACE_S
    return during and fault.part.startswith(_FRONT)


def named(wish: Wish) -> str:
    """A wish in words."""
    what = wish.booking_id or ",".join(wish.seats) or f"{wish.quantity} of the best"
    return f"user {wish.user_id}, key {wish.key}, show {wish.show_id}, {wish.kind} {what}"
