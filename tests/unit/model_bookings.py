"""Bookings and answers of the model of a show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec


class BookingModel(msgspec.Struct):
    """A booking in any status."""

    booking_id: UUID
    owner: int
    seats: list[str]
    status: str
    total: int
    created_ms: int
    expires_ms: int | None
    checked_in: dict[str, int]
    hold_ms: int | None = None
    paid: bool = False


class Answer(NamedTuple):
    """The answer to a command, and its events as (type, booking or seats)."""

    reason: str | None = None
    seats: tuple[str, ...] = ()
    limit: int | None = None
    booking: dict[str, Any] | None = None
    events: tuple[tuple[str, Any], ...] = ()
    yours: tuple[dict[str, Any], ...] = ()
    unshared: tuple[int, ...] = ()


class Refused(Exception):
    """Ends a command with the reason of its refusal."""

    def __init__(
        self,
        reason: str,
        seats: Iterable[str] = (),
        limit: int | None = None,
        yours: Iterable[BookingModel] = (),
        unshared: tuple[int, ...] = (),
    ) -> None:
        mine = tuple(facts(booking) for booking in yours)[:10]
        self.answer = Answer(reason, tuple(seats), limit, yours=mine, unshared=unshared)


def refuse_if(wrong: object, reason: str, seats: Iterable[str] = (), **more: Any) -> None:
    if wrong:
        raise Refused(reason, seats, **more)


def facts(booking: BookingModel) -> dict[str, Any]:
    """The fields of a booking that answers and events have."""
    fields = msgspec.structs.asdict(booking)
    return fields | {"seats": tuple(booking.seats), "checked_in": dict(booking.checked_in)}
