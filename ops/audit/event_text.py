"""Text for events: what a decision changed."""

from __future__ import annotations

from ops.audit.command_text import describe_block, describe_owner, list_seats
from schemas.api import timestamp
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    CheckInUndone,
    Event,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
    is_from_later_release,
)
from schemas.layout import Money
from tickets.formats import money

VERBS: dict[type, str] = {
    BookingConfirmed: "confirmed",
    BookingHeld: "held",
    BookingCancelled: "cancelled",
    HoldReleased: "released",
    HoldExpired: "expired",
    HoldExtended: "extended",
    BookingChanged: "given other seats",
    SeatsSwapped: "given the seats of another booking",
    ShowOpened: "opened",
    ShowChanged: "changed",
    ShowClosed: "closed",
    ShowReopened: "opened again",
    ShowCancelled: "called off",
}


def describe_event(event: Event) -> str:
    """Returns the text of an event."""
    if is_from_later_release(event):
        return "an event of a later release, which `aisle explain` of that one can read"
    match event:
        case SeatsBlocked():
            return f"{list_seats(event.seats)} blocked{describe_block(event.code, event.release_ms)}"
        case SeatsUnblocked():
            return f"{list_seats(event.seats)} put back on sale"
        case TicketCheckedIn():
            gate = f" at gate {event.gate}" if event.gate is not None else ""
            return f"{event.seat} of booking {event.booking.booking_id} let in{gate}"
        case CheckInUndone():
            return f"the check-in of {event.seat} of booking {event.booking.booking_id} taken back"
        case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled():
            return f"show {event.show_id} {VERBS[type(event)]}"
        case BookingChanged(booking, old_seats, old_total):
            return (
                f"{_named(booking)} has {_worth(booking)}, instead of"
                f" {list_seats(old_seats)}, {_amount(old_total, booking.currency)}"
            )
        case SeatsSwapped(one, other):
            return (
                f"{_named(one)} and {_named(other)} have exchanged their seats: the first has {_worth(one)},"
                f" the other {_worth(other)}"
            )
        case _:
            booking = event.booking
            until = f" until {timestamp(booking.expires_ms)}" if booking.expires_ms is not None else ""
            return f"{_named(booking)} {VERBS[type(event)]}{until}: {_worth(booking)}"


def describe_booking(booking: Booking) -> str:
    """Returns a booking of which the owner is known: its id, status and seats."""
    return f"{booking.booking_id}, {booking.status.value}, {list_seats(booking.seats)}"


def _named(booking: Booking) -> str:
    return f"booking {booking.booking_id} of {describe_owner(booking.user_id)}"


def _worth(booking: Booking) -> str:
    paid = ", paid" if booking.paid else ""
    return f"{list_seats(booking.seats)}, {_amount(booking.total, booking.currency)}{paid}"


def _amount(total: int, currency: str) -> str:
    return money(Money(total, currency), "en")
