"""Builders for histories of storms with planted faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.chaos.history import Attempt, History, Kind, Request
from tests.chaos.show_plans import CURRENCY
from tests.chaos.stored_state import StoredState

Plant = Callable[[History, StoredState], None]


def at(seconds: float) -> str:
    """Returns a time as responses have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def answered(sent: float, body: dict[str, Any], status: int = 201, **more: Any) -> Attempt:
    return Attempt(sent=sent, ended=sent + 0.1, status=status, body=body, **more)


def request(
    user_id: int, kind: Kind, key: str | None, *attempts: Attempt, show_id: int = 7, **which: Any
) -> Request:
    return Request(user_id=user_id, show_id=show_id, kind=kind, key=key, attempts=list(attempts), **which)


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": CURRENCY}


def asked(history: History, key: str) -> Request:
    """Returns the request with this key."""
    return next(request for request in history.requests if request.key == key)


def change(history: History, key: str, attempt: int, **fields: Any) -> None:
    """Changes an attempt."""
    attempts = asked(history, key).attempts
    attempts[attempt] = msgspec.structs.replace(attempts[attempt], **fields)


def alter(history: History, key: str, **fields: Any) -> None:
    """Changes fields of the bodies of all responses to a request; `...` removes one."""
    for attempt in asked(history, key).attempts:
        attempt.body = {name: value for name, value in (attempt.body | fields).items() if value is not ...}


def restored(stored: StoredState, booking_id: str, **fields: Any) -> None:
    """Changes a stored booking."""
    stored.bookings[booking_id] = msgspec.structs.replace(stored.bookings[booking_id], **fields)
