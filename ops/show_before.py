"""A show as it was just before a position, with the position at which each thing last changed."""

from __future__ import annotations

from uuid import UUID

import msgspec

from ops.asking import who
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
    is_later,
)
from schemas.ids import Position
from seat_workers.fold import Decided


class Change(msgspec.Struct, frozen=True):
    """One event of the past: where, when and by whom."""

    position: Position
    at_ms: int
    by: str
    event: Event

    @property
    def booking(self) -> Booking:
        """The booking that the event is about, as it left it."""
        booking: Booking = self.event.booking  # type: ignore[union-attr]
        return booking


class ShowBefore:
    """Made by noting the show's decisions in log order."""

    def __init__(self) -> None:
        self.seats: dict[str, Change] = {}
        self.bookings: dict[UUID, list[Change]] = {}
        self.closed: Change | None = None
        """When it was closed or called off, if that still holds."""
        self.terms: Terms | None = None
        """None for a show that was not opened."""

    def note(self, decided: Decided) -> None:
        """What one decision changed."""
        by = "nobody" if decided.command is None else who(decided.command)
        for event in decided.decision.events:
            if is_later(event):
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
        """The live bookings of a customer, and where each was made."""
        return [
            (changes[-1].booking, changes[0].position)
            for changes in self.bookings.values()
            if changes[-1].booking.user_id == customer and changes[-1].booking.status.live
        ]

    def taken(self) -> int:
        """How many seats were sold, held or blocked."""
        taking = (BookingConfirmed, BookingHeld, SeatsBlocked)
        return sum(isinstance(change.event, taking) for change in self.seats.values())
