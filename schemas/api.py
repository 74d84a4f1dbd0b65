"""Bodies of the HTTP API; what a field means is said here and shown in the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from schemas.events import Booking
from schemas.formats import Timestamp
from schemas.ids import Position, UserId
from schemas.layout import Label, Money
from schemas.text import NO_NUL

MAX_SEATS_PER_REQUEST = 10


def timestamp(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.123Z`."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _SeatsWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    seats: tuple[Label, ...] | None = None
    """Labels of the seats, each once, at most 10."""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    """How many of the best seats, instead of `seats`."""
    section: Annotated[str, msgspec.Meta(max_length=60, pattern=NO_NUL)] | None = None
    """With `quantity`: only seats of this section."""
    adjacent: bool | None = None
    """With `quantity`: false allows the fewest pieces where no row has that many seats side by side."""
    user_id: UserId | None = None
    """Staff only: the customer who is to own the booking."""


class BookRequest(_SeatsWanted, frozen=True):
    """Which seats to book."""


class HoldRequest(_SeatsWanted, frozen=True):
    """Which seats to hold, and for how long."""

    hold_s: Annotated[int, msgspec.Meta(ge=30, le=900)] = 300


class PositionBody(msgspec.Struct, frozen=True):
    """A position in the log; `{partition}-{offset}` names the command there."""

    partition: int
    offset: int


class BookingBody(msgspec.Struct, frozen=True):
    """A booking as clients see it."""

    id: UUID
    show_id: int
    user_id: int
    status: Literal["held", "confirmed", "cancelled", "expired", "released"]
    seats: tuple[str, ...]
    total: Money
    created_at: Timestamp
    expires_at: Timestamp | None
    decided: PositionBody
    """Where its last decision stands in the log."""


class BookingsPage(msgspec.Struct, frozen=True):
    """Bookings, newest first."""

    items: list[BookingBody]
    next_cursor: str | None


class PendingBody(msgspec.Struct, frozen=True):
    """A command that is in the log and will be decided."""

    command: str
    status: Literal["pending"] = "pending"


class AcceptedBody(msgspec.Struct, frozen=True):
    """A command that was accepted, with the booking it made or changed, if it was about one."""

    command: str
    booking: BookingBody | msgspec.UnsetType = msgspec.UNSET
    status: Literal["accepted"] = "accepted"


class RefusedBody(msgspec.Struct, frozen=True):
    """A command that was refused, and why."""

    command: str
    problem: Annotated[
        dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/ProblemBody"})
    ]
    status: Literal["refused"] = "refused"


def booking_body(booking: Booking, decided: Position) -> BookingBody:
    """A decided booking in the form that clients get."""
    return BookingBody(
        id=booking.booking_id,
        show_id=booking.show_id,
        user_id=booking.user_id,
        status=booking.status.value,
        seats=booking.seats,
        total=Money(booking.total, booking.currency),
        created_at=timestamp(booking.created_ms),
        expires_at=None if booking.expires_ms is None else timestamp(booking.expires_ms),
        decided=PositionBody(decided.partition, decided.offset),
    )
