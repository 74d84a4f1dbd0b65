"""State of a show before a position, with the position of the last change of each seat and booking."""

from __future__ import annotations

from uuid import UUID

import msgspec

from ops.audit.command_text import describe_caller
from schemas.events import (
    Booking,
    BookingConfirmed,
    BookingHeld,
    Event,
    SeatsBlocked,
    SeatsUnblocked,
    ShowCancelled,
    ShowClosed,
    ShowReopened,
    Terms,
    TicketCheckedIn,
    is_from_later_release,
)
from schemas.ids import Position
from seat_workers.fold import DecidedRecord


class Change(msgspec.Struct, frozen=True):
    """An earlier event: position, time and caller."""

    position: Position
    at_ms: int
    by: str
    event: Event

    @property
    def booking(self) -> Booking:
        """The booking of the event, after the event."""
        booking: Booking = self.event.booking  # type: ignore[union-attr]
        return booking


class ShowBefore:
    """State of a show after the decisions passed to `note` in log order."""

    def __init__(self) -> None:
        self.seats: dict[str, Change] = {}
        self.bookings: dict[UUID, list[Change]] = {}
        self.closed: Change | None = None
        """The closing or cancellation, while it is in force."""
        self.terms: Terms | None = None
        """Terms of the show; None before its opening."""

    def note(self, decided: DecidedRecord) -> None:
        """Applies the changes of one decision."""
        by = "nobody" if decided.command is None else describe_caller(decided.command)
        for event in decided.decision.events:
            if is_from_later_release(event):
                continue
            change = Change(decided.position, decided.at_ms, by, event)
            match event:
                case SeatsBlocked() | SeatsUnblocked():
                    self.seats.update(dict.fromkeys(event.seats, change))
                case TicketCheckedIn(booking):
                    self.bookings.setdefault(booking.booking_id, []).append(change)
                case _ if hasattr(event, "booking"):
                    self.bookings.setdefault(change.booking.booking_id, []).append(change)
                    self.seats.update(dict.fromkeys(change.booking.seats, change))
                case _:
                    self.terms = event.terms
                    if isinstance(event, ShowClosed | ShowCancelled):
                        self.closed = change
                    elif isinstance(event, ShowReopened):
                        self.closed = None

    def live_of(self, customer: int) -> list[tuple[Booking, Position]]:
        """Returns the live bookings of a customer and the position of each first decision."""
        return [
            (changes[-1].booking, changes[0].position)
            for changes in self.bookings.values()
            if changes[-1].booking.user_id == customer and changes[-1].booking.status.live
        ]

    def taken(self) -> int:
        """Returns the number of sold, held and blocked seats."""
        taking = (BookingConfirmed, BookingHeld, SeatsBlocked)
        return sum(isinstance(change.event, taking) for change in self.seats.values())
