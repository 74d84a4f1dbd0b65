"""Request and response bodies of webhooks, and the bodies that webhooks send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from schemas.api import BookingBody
from schemas.api_catalogue import Instant
from schemas.formats import Timestamp
from schemas.layout import Money
from schemas.show_status import ShownStatus
from schemas.text import LINE

EventType = Literal[
    "booking.confirmed",
    "booking.cancelled",
    "booking.changed",
    "hold.created",
    "hold.released",
    "hold.expired",
    "show.opened",
    "show.changed",
    "show.closed",
    "show.reopened",
    "show.cancelled",
    "show.sold_out",
    "ticket.checked_in",
    "payment.captured",
    "payment.refunded",
]
WebhookDeliveryStatus = Literal["pending", "delivered", "failed"]
TEST_TYPE = "webhook.test"

_Url = Annotated[
    str, msgspec.Meta(min_length=1, max_length=2000, pattern=LINE, extra_json_schema={"format": "uri"})
]
_Events = Annotated[tuple[EventType | Literal["*"], ...], msgspec.Meta(min_length=1, max_length=32)]


class NewWebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to be added."""

    url: _Url
    """An `http://` or `https://` address outside of private networks."""
    events: _Events
    """Types of events, or `["*"]` for all, later ones included."""


class ChangeWebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are left out do not change."""

    url: _Url | msgspec.UnsetType = msgspec.UNSET
    events: _Events | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
    """False stops its deliveries. True starts them again, with the events from then on and those still pending."""


class WebhookBody(msgspec.Struct, frozen=True):
    """A webhook."""

    id: int
    url: str
    events: list[str]
    active: bool
    disabled: str | None
    """Why Aisle switched it off, if it did."""
    public_key: str
    """The key that verifies its `v1a` signatures."""
    created_at: Timestamp


class WebhookSecretBody(WebhookBody, frozen=True):
    """A webhook with its secret, which is shown only once."""

    secret: str
    """The key that verifies its `v1` signatures."""


class WebhooksPage(msgspec.Struct, frozen=True):
    """Webhooks in the order of their ids."""

    items: list[WebhookBody]
    next_cursor: str | None


class WebhookDeliveryBody(msgspec.Struct, frozen=True):
    """The delivery of one event to one webhook."""

    id: int
    event_id: str
    """The header `webhook-id`."""
    type: str
    status: WebhookDeliveryStatus
    attempts: int
    created_at: Timestamp
    last_try_at: Timestamp | None
    next_try_at: Timestamp | None
    """For a pending one; its turn may come later, as deliveries of a show keep their order."""
    response_status: int | None
    """Status of the last response."""
    error: str | None
    """What was wrong with the last try."""


class WebhookDeliveriesPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first."""

    items: list[WebhookDeliveryBody]
    next_cursor: str | None


class ReplayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries to send again: those that were recorded in this period."""

    from_: Instant = msgspec.field(name="from")
    to: Instant | msgspec.UnsetType = msgspec.UNSET
    """The end, not included; until now, if it is left out."""
    status: Literal["delivered", "failed"] | msgspec.UnsetType = msgspec.UNSET
    """Only failed or only delivered ones."""


class ReplayedBody(msgspec.Struct, frozen=True):
    """The result of a replay."""

    replayed: int
    more: bool
    """Whether more deliveries of the period are left: ask again with a later `from`."""
    next_from: Timestamp | None
    """With `more`: that later `from`."""


class ShowInEvent(msgspec.Struct, frozen=True):
    """A show as its event says; `GET /api/shows/{id}` has the rest."""

    id: int
    status: ShownStatus
    starts_at: Timestamp
    seats_per_customer: int
    sales_start_at: Timestamp | None
    sales_end_at: Timestamp | None


class BookingData(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of an event about a booking."""

    booking: BookingBody
    old_seats: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """With `booking.changed`."""
    old_total: Money | msgspec.UnsetType = msgspec.UNSET
    """With `booking.changed`."""
    seat: str | msgspec.UnsetType = msgspec.UNSET
    """With `ticket.checked_in`."""
    gate: str | msgspec.UnsetType = msgspec.UNSET
    """With `ticket.checked_in`, where the gate is known."""


class ShowData(msgspec.Struct, frozen=True):
    """Data of an event about a show."""

    show: ShowInEvent


class SoldOutShow(msgspec.Struct, frozen=True):
    """A show without an available seat."""

    id: int


class SoldOutData(msgspec.Struct, frozen=True):
    """Data of `show.sold_out`."""

    show: SoldOutShow


class WebhookEvent(msgspec.Struct, frozen=True):
    """The body of a request to a webhook."""

    type: str
    timestamp: Timestamp
    """When it happened, not when it is sent."""
    data: Any
