"""State of a show before a position, with the position of the last change of each seat and booking."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from ops.audit.command_text import describe_caller
from schemas.events import (
    Booking,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    CheckInUndone,
    Event,
    HoldExtended,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
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
    about: Booking | None = None
    """The booking that it changed, after the event: one of the two of a swap."""

    @property
    def booking(self) -> Booking:
        """The booking of a change of one."""
        assert self.about is not None
        return self.about


class ShowBefore:
    """State of a show after the decisions passed to `note` in log order."""

    def __init__(self) -> None:
        self.seats: dict[str, Change] = {}
        """For each seat, the change by which it was taken, blocked or freed."""
        self.bookings: dict[UUID, list[Change]] = {}
        self.closed: Change | None = None
        """The closing or cancellation, while it is in force."""
        self.terms: Terms | None = None
        """Terms of the show; None before its opening."""
        self._taken: set[str] = set()

    def note(self, decided: DecidedRecord, by: str | None = None) -> None:
        """Applies the changes of one decision. `by`: its caller, where its command is not known any more."""
        if by is None:
            by = "nobody" if decided.command is None else describe_caller(decided.command)
        for event in decided.decision.events:
            if not is_from_later_release(event):
                self._note(Change(decided.position, decided.at_ms, by, event))

    def _note(self, change: Change) -> None:
        match change.event:
            case SeatsBlocked() | SeatsUnblocked() as event:
                self._set_seats(change, event.seats, taken=isinstance(event, SeatsBlocked))
            case TicketCheckedIn(booking) | CheckInUndone(booking) | HoldExtended(booking):
                self._note_booking(change, booking)
            case BookingChanged(booking, old_seats):
                change = self._note_booking(change, booking)
                self._set_seats(change, _without(old_seats, booking.seats), taken=False)
                self._set_seats(change, _without(booking.seats, old_seats), taken=True)
            case SeatsSwapped(one, other):
                for booking in (one, other):
                    self._set_seats(self._note_booking(change, booking), booking.seats, taken=True)
            case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled() as event:
                self.terms = event.terms
                if isinstance(event, ShowClosed | ShowCancelled):
                    self.closed = change
                elif isinstance(event, ShowReopened):
                    self.closed = None
            case event:
                change = self._note_booking(change, event.booking)
                taken = isinstance(event, BookingConfirmed | BookingHeld)
                self._set_seats(change, event.booking.seats, taken=taken)

    def _note_booking(self, change: Change, booking: Booking) -> Change:
        """Adds a change of this booking, and returns it."""
        change = msgspec.structs.replace(change, about=booking)
        self.bookings.setdefault(booking.booking_id, []).append(change)
        return change

    def _set_seats(self, change: Change, seats: Collection[str], *, taken: bool) -> None:
        self.seats.update(dict.fromkeys(seats, change))
        if taken:
            self._taken.update(seats)
        else:
            self._taken.difference_update(seats)

    def live_of(self, customer: int) -> list[tuple[Booking, Position]]:
        """Returns the live bookings of a customer and the position of each first decision."""
        return [
            (changes[-1].booking, changes[0].position)
            for changes in self.bookings.values()
            if changes[-1].booking.user_id == customer and changes[-1].booking.status.live
        ]

    def taken(self) -> int:
        """Returns the number of sold, held and blocked seats."""
        return len(self._taken)


def _without(seats: Collection[str], others: Collection[str]) -> list[str]:
    return [seat for seat in seats if seat not in others]
