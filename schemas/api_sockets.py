"""Messages of the live sockets: what clients send and what they are sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from schemas.api import BookingBody, BookRequest, HoldRequest
from schemas.ids import ShowId

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""The client's own name for a message; its answer carries it."""
Key = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,128}$(?!\n)")]
"""What Idempotency-Key is to HTTP, and the same keys."""


class AuthMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who the socket speaks for: the first message where there was no Authorization, later a renewal."""

    type: Literal["auth"]
    access: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    ref: Ref | None = None
    """When given, the message is answered too, with `accepted`."""


class BookMessage(BookRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """POST /api/shows/{id}/bookings"""

    type: Literal["book"]
    ref: Ref
    show_id: ShowId
    key: Key | None = None


class HoldMessage(HoldRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """POST /api/shows/{id}/holds"""

    type: Literal["hold"]
    ref: Ref
    show_id: ShowId
    key: Key | None = None


class MoveMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """POST /api/bookings/{id}/confirm and …/cancel"""

    type: Literal["confirm", "cancel"]
    ref: Ref
    booking_id: UUID
    key: Key | None = None


class AcceptedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="accepted", omit_defaults=True):
    """What a ref asked for was done."""

    ref: str
    booking: BookingBody | None = None
    """As it was decided; none in the answer to `auth`."""
    replayed: bool = False
    """Whether this is the stored answer to the first request with this key."""


class RefusedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """What a ref asked for was not done."""

    ref: str | None
    """None for a message whose ref could not be read."""
    problem: dict[str, Any]


class PendingMessage(msgspec.Struct, frozen=True, tag_field="type", tag="pending"):
    """Not decided yet, but certainly in the log: its answer comes later, here or at /api/commands/{command}."""

    ref: str
    command: str


class ChangedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="booking"):
    """A booking of the customer has changed, whoever changed it."""

    booking: BookingBody
