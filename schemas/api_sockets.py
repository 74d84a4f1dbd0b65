"""Messages of the live sockets, in both directions."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from schemas.api import BookingBody, BookRequest, HoldRequest
from schemas.ids import ShowId

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""Identifier of a message, chosen by the client and repeated in the reply."""
Key = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,128}$(?!\n)")]
"""Idempotency key; shares its scope with the HTTP header Idempotency-Key."""


class AuthMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Authentication: the first message on a socket without Authorization header; later, a renewed token."""

    type: Literal["auth"]
    access: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    ref: Ref | None = None
    """If given, the message gets the reply `accepted`."""


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
    """POST /api/bookings/{id}/confirm, …/cancel and …/extend"""

    type: Literal["confirm", "cancel", "extend"]
    ref: Ref
    booking_id: UUID
    key: Key | None = None


class AcceptedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="accepted", omit_defaults=True):
    """The request with this ref was accepted."""

    ref: str
    booking: BookingBody | None = None
    """The booking as decided; missing in the reply to `auth`."""
    replayed: bool = False
    """Whether this is the stored reply to the first request with this key."""


class RefusedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """The request with this ref was rejected."""

    ref: str | None
    """None if the ref could not be read."""
    problem: dict[str, Any]


class PendingMessage(msgspec.Struct, frozen=True, tag_field="type", tag="pending"):
    """The request is in the log but not decided yet. The reply follows here or at /api/commands/{command}."""

    ref: str
    command: str


class ChangedMessage(msgspec.Struct, frozen=True, tag_field="type", tag="booking"):
    """A booking of the customer has changed."""

    booking: BookingBody
