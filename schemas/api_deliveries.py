"""Response bodies about deliveries."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from schemas.formats import Timestamp

DeliveryStatus = Literal["due", "sent", "failed", "skipped"]


class DeliveryBody(msgspec.Struct, frozen=True):
    """An e-mail: what it is about, to whose account it goes, and what became of it. It has no address."""

    id: int
    event_id: str
    """The event of the log that it comes from, or the name of what asked for it."""
    channel: Literal["email"]
    kind: str
    user_id: int
    booking_id: UUID | None
    status: DeliveryStatus
    held: bool
    """Whether it was held back, since its address got its share of the hour. Such e-mails are merged."""
    attempts: int
    created_at: Timestamp
    due_at: Timestamp | None
    """The next attempt, or the end of the current one's lease; null if it goes out as part of another."""
    sent_at: Timestamp | None
    last_error: str | None
    """What the mail server said last, or the reason for skipping."""


class DeliveriesPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first."""

    items: list[DeliveryBody]
    next_cursor: str | None
