"""Bodies of the HTTP API; what a field means is said here and shown in the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from schemas.api_catalogue import MoneyBody, Note
from schemas.commands import MAX_HOLD_MS
from schemas.events import Booking, BookingStatus
from schemas.formats import Timestamp
from schemas.ids import Position, UserId
from schemas.layout import MAX_PRICE, Money, RequestedLabel
from schemas.text import NO_NUL

MAX_HOLD_S = 900
"""The longest hold that a customer may ask for; staff may ask for 30 days."""

Paid = Literal["cash", "card", "free"]
"""How staff were paid."""


def timestamp(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.123Z`."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _SeatsWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    seats: tuple[RequestedLabel, ...] | None = None
    """Labels of the seats, each once, at most 10; for staff at most 100."""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    """How many of the best seats, instead of `seats`."""
    section: Annotated[str, msgspec.Meta(max_length=60, pattern=NO_NUL)] | None = None
    """With `quantity`: only seats of this section."""
    adjacent: bool | None = None
    """With `quantity`: false allows the fewest pieces where no row has that many seats side by side."""
    kind: Literal["accessible"] | None = None
    """With `quantity`: accessible seats and the companion seats beside them, which are left out otherwise."""
    max_price: MoneyBody | Annotated[int, msgspec.Meta(ge=0, le=MAX_PRICE * 10)] | None = None
    """With `quantity`: only seats of at most this price. A plain number: minor units of the show's currency."""
    user_id: UserId | None = None
    """Staff only: the customer who is to own the booking. Without it staff sell to a walk-in."""
    lift_limit: bool = False
    """Staff only: the limit of seats per customer does not apply."""
    note: Note | None = None
    """Staff only: a remark that staff see with the booking."""
    paid: Paid | None = None
    """Staff only: the booking is paid for, and how."""


class BookRequest(_SeatsWanted, frozen=True):
    """Which seats to book."""


class HoldRequest(_SeatsWanted, frozen=True):
    """Which seats to hold, and for how long."""

    hold_s: Annotated[int, msgspec.Meta(ge=30, le=MAX_HOLD_MS // 1000)] = 300
    """Seconds: at most 900, for staff at most 30 days."""


class ChangeSeatsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The seats that a booking is to have instead of its own."""

    seats: tuple[RequestedLabel, ...]
    """Labels, each once: as many as the booking has; for staff any number up to 100."""


class SwapSeatsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The booking to exchange seats with."""

    with_: UUID = msgspec.field(name="with")


class PositionBody(msgspec.Struct, frozen=True):
    """A position in the log; `{partition}-{offset}` names the command there."""

    partition: int
    offset: int


class BookingBody(msgspec.Struct, frozen=True):
    """A booking as clients see it."""

    id: UUID
    show_id: int
    user_id: int | None
    """Its owner; null where staff sold it to a walk-in."""
    status: Literal["held", "confirmed", "cancelled", "expired", "released"]
    seats: tuple[str, ...]
    total: Money
    created_at: Timestamp
    expires_at: Timestamp | None
    decided: PositionBody
    """Where its last decision stands in the log."""
    note: str | msgspec.UnsetType = msgspec.UNSET
    """For staff: the remark on it, if there is one."""
    paid: Paid | msgspec.UnsetType = msgspec.UNSET
    """For staff: how it was paid for at the counter, if it was."""


class OwnBookingBody(msgspec.Struct, frozen=True):
    """A live booking of the customer that is in the way of a request."""

    id: UUID
    status: Literal["held", "confirmed"]
    seats: tuple[str, ...]
    expires_at: Timestamp | None


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
        user_id=booking.user_id or None,
        status=booking.status.value,
        seats=booking.seats,
        total=Money(booking.total, booking.currency),
        created_at=timestamp(booking.created_ms),
        expires_at=None if booking.expires_ms is None else timestamp(booking.expires_ms),
        decided=PositionBody(decided.partition, decided.offset),
    )


def own_booking_body(booking: Booking) -> OwnBookingBody:
    """A live booking of the customer's own, in the form that problems name it."""
    return OwnBookingBody(
        id=booking.booking_id,
        status="held" if booking.status is BookingStatus.HELD else "confirmed",
        seats=booking.seats,
        expires_at=None if booking.expires_ms is None else timestamp(booking.expires_ms),
    )
