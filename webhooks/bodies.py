"""The requests to webhooks: the type and the body for each event of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from schemas.api import booking_body, timestamp
from schemas.api_webhooks import (
    TEST_TYPE,
    BookingData,
    ShowData,
    ShowInEvent,
    SoldOutData,
    SoldOutShow,
    WebhookEvent,
)
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    HoldExpired,
    HoldReleased,
    PublishedEvent,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowEvent,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
)
from schemas.ids import Position, parse_position
from schemas.layout import Money
from schemas.show_status import shown_status
from schemas.wire import encode

_BOOKING_TYPES = {
    BookingConfirmed: "booking.confirmed",
    BookingCancelled: "booking.cancelled",
    BookingHeld: "hold.created",
    HoldReleased: "hold.released",
    HoldExpired: "hold.expired",
}
_SHOW_TYPES = {
    ShowOpened: "show.opened",
    ShowChanged: "show.changed",
    ShowClosed: "show.closed",
    ShowReopened: "show.reopened",
    ShowCancelled: "show.cancelled",
}


class Message(msgspec.Struct, frozen=True):
    """An event as webhooks send it. `event_id` is the header `webhook-id`."""

    event_id: str
    type: str
    show_id: int
    at_ms: int
    body: bytes


def messages_of(published: PublishedEvent) -> Iterator[Message]:
    """The messages of an event: none where no type of webhook stands for it, two where seats were swapped.

    Raises ValueError for an id that is not of the log.
    """
    event, event_id = published.event, published.event_id
    decided = parse_position(event_id.rpartition("-")[0])
    match event:
        case BookingConfirmed() | BookingCancelled() | BookingHeld() | HoldReleased() | HoldExpired():
            data = BookingData(booking_body(event.booking, decided))
            yield _message(published, event_id, _BOOKING_TYPES[type(event)], event.booking.show_id, data)
        case BookingChanged(booking=booking):
            yield _changed(
                published,
                event_id,
                booking,
                decided,
                event.old_seats,
                Money(event.old_total, booking.currency),
            )
        case SeatsSwapped(booking=one, other=other):
            # Each had the seats and the total that the other has now.
            for number, (new, old) in enumerate(((one, other), (other, one))):
                swapped_id = event_id if number == 0 else f"{event_id}-other"
                yield _changed(published, swapped_id, new, decided, old.seats, Money(old.total, old.currency))
        case TicketCheckedIn(booking=booking, seat=seat):
            gate = getattr(event, "gate", None) or msgspec.UNSET
            data = BookingData(booking_body(booking, decided), seat=seat, gate=gate)
            yield _message(published, event_id, "ticket.checked_in", booking.show_id, data)
        case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled():
            show = ShowData(_show(event, published.at_ms))
            yield _message(published, event_id, _SHOW_TYPES[type(event)], event.show_id, show)
        case _:
            return


def takes_seats(published: PublishedEvent) -> int | None:
    """The show that may be sold out after this event."""
    match published.event:
        case BookingConfirmed(booking=booking) | BookingChanged(booking=booking):
            return booking.show_id
        case SeatsBlocked(show_id=show_id):
            return show_id
        case _:
            return None


def changed_show(published: PublishedEvent) -> int | None:
    """The show of an event after which seats may be available again."""
    match published.event:
        case HoldReleased(booking=booking) | HoldExpired(booking=booking) | BookingCancelled(booking=booking):
            return booking.show_id
        case BookingChanged(booking=booking):
            return booking.show_id
        case SeatsUnblocked(show_id=show_id):
            return show_id
        case _:
            return None


def sold_out(published: PublishedEvent, show_id: int) -> Message:
    """The message that no seat of a show is left, after this event."""
    event_id = f"{published.event_id}-sold-out"
    return _message(published, event_id, "show.sold_out", show_id, SoldOutData(SoldOutShow(show_id)))


def body_of_test(webhook_id: int, now_ms: int) -> bytes:
    """The body of a test."""
    return encode(WebhookEvent(TEST_TYPE, timestamp(now_ms), {"webhook": {"id": webhook_id}}))


def _changed(
    published: PublishedEvent,
    event_id: str,
    booking: Booking,
    decided: Position,
    old_seats: tuple[str, ...],
    old_total: Money,
) -> Message:
    data = BookingData(booking_body(booking, decided), old_seats=old_seats, old_total=old_total)
    return _message(published, event_id, "booking.changed", booking.show_id, data)


def _message(
    published: PublishedEvent, event_id: str, kind: str, show_id: int, data: msgspec.Struct
) -> Message:
    body = WebhookEvent(kind, timestamp(published.at_ms), data)
    return Message(event_id, kind, show_id, published.at_ms, encode(body))


def _show(event: ShowEvent, at_ms: int) -> ShowInEvent:
    terms = event.terms
    return ShowInEvent(
        id=event.show_id,
        status=shown_status(
            event.status.value, terms.starts_ms, terms.sales_start_ms, terms.sales_end_ms, at_ms
        ),
        starts_at=timestamp(terms.starts_ms),
        seats_per_customer=terms.seats_per_customer,
        sales_start_at=None if terms.sales_start_ms is None else timestamp(terms.sales_start_ms),
        sales_end_at=None if terms.sales_end_ms is None else timestamp(terms.sales_end_ms),
    )
