"""The e-mails that the events of the log call for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from notifier import kinds
from notifier.deliveries import NewDelivery
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingStatus,
    PublishedEvent,
    SeatsSwapped,
)
from schemas.wire import encode

OTHER = "-other"
"""Ends the event id of the second of two e-mails about one event."""


def deliveries_of(published: PublishedEvent) -> list[NewDelivery]:
    """The deliveries of an event: none for walk-ins, and for holds until they are confirmed."""
    return [
        NewDelivery(event_id, kind, event.booking.user_id, event.booking.booking_id, encode(event))
        for event_id, kind, event in _emails_of(published)
        if event.booking.owned
    ]


def _emails_of(
    published: PublishedEvent,
) -> Iterator[tuple[str, str, BookingConfirmed | BookingCancelled | BookingChanged]]:
    event_id = published.event_id
    match published.event:
        case BookingConfirmed() as event:
            yield event_id, kinds.BOOKING_CONFIRMED, event
        case BookingCancelled() as event:
            yield event_id, kinds.BOOKING_CANCELLED, event
        case BookingChanged(booking=booking) as event if _confirmed(booking):
            yield event_id, kinds.BOOKING_CHANGED, event
        case SeatsSwapped(booking=one, other=other):
            # The seats and the total that each had before are those that the other has now.
            if _confirmed(one):
                changed = BookingChanged(one, old_seats=other.seats, old_total=other.total)
                yield event_id, kinds.BOOKING_CHANGED, changed
            if _confirmed(other):
                changed = BookingChanged(other, old_seats=one.seats, old_total=one.total)
                yield event_id + OTHER, kinds.BOOKING_CHANGED, changed


def _confirmed(booking: Booking) -> bool:
    return booking.status is BookingStatus.CONFIRMED
