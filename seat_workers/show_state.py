"""The state of one show as its writer keeps it in memory: who has which seat. Pure.

What may happen to it is said in show.py; here is only what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from uuid import UUID

from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.layout import Seating

AVAILABLE, HELD, SOLD, BLOCKED = b"ahsb"

_LETTER = {BookingStatus.HELD: HELD, BookingStatus.CONFIRMED: SOLD}


class Show:
    """One show as its writer keeps it in memory: a cache of what PostgreSQL has, and nothing else.

    Made from stored rows, or unopened (`status` None) for a show that the log has not heard of.
    """

    __slots__ = (
        "available",
        "bookings",
        "expiries",
        "past",
        "seating",
        "seats_of_customer",
        "show_id",
        "states",
        "status",
        "terms",
        "version",
    )

    def __init__(self, show_id: int, seating: Seating) -> None:
        self.show_id = show_id
        self.seating = seating
        self.status: ShowStatus | None = None
        self.terms = Terms(layout_id=0, layout_digest="", starts_ms=0, seats_per_customer=0)
        self.version = -1
        """The log offset of the last change; kept by the worker."""
        self.states = bytearray([AVAILABLE]) * len(seating)
        self.available = len(seating)
        self.bookings: dict[UUID, Booking] = {}
        """Live bookings only."""
        self.past: dict[UUID, Booking] = {}
        """Bookings that are over, as far as a command at hand names them or their end is not yet stored."""
        self.seats_of_customer: dict[int, int] = {}
        self.expiries: list[tuple[int, UUID]] = []
        """A heap of (expires_ms, booking), with left-overs of holds that ended otherwise."""

    def restore(
        self,
        status: ShowStatus,
        terms: Terms,
        version: int,
        bookings: Iterable[Booking],
        blocked: Iterable[int],
    ) -> None:
        """Fills a fresh show from stored rows. `blocked`: indexes of blocked seats."""
        self.status, self.terms, self.version = status, terms, version
        for booking in bookings:
            self.claim(booking)
        for seat in blocked:
            self.states[seat] = BLOCKED
            self.available -= 1
        heapify(self.expiries)

    def next_expiry_ms(self) -> int | None:
        """When the next hold is due, in log time; None when nothing is held."""
        while self.expiries:
            expires_ms, booking_id = self.expiries[0]
            booking = self.bookings.get(booking_id)
            if booking is not None and booking.expires_ms == expires_ms:
                return expires_ms
            heappop(self.expiries)
        return None

    def indexes(self, labels: Iterable[str]) -> list[int]:
        """The indexes of seats of this show, in the order given."""
        index_of = self.seating.index_of
        return [index_of[label] for label in labels]

    def claim(self, booking: Booking) -> None:
        """A booking takes its seats, or a held one keeps them for good."""
        letter = _LETTER[booking.status]
        if booking.booking_id not in self.bookings:
            self.available -= len(booking.seats)
            have = self.seats_of_customer.get(booking.user_id, 0)
            self.seats_of_customer[booking.user_id] = have + len(booking.seats)
        self.bookings[booking.booking_id] = booking
        for seat in self.indexes(booking.seats):
            self.states[seat] = letter
        if booking.expires_ms is not None:
            heappush(self.expiries, (booking.expires_ms, booking.booking_id))

    def free(self, booking: Booking) -> None:
        """A booking that is over, as it now is, gives its seats back."""
        del self.bookings[booking.booking_id]
        self.past[booking.booking_id] = booking
        self.available += len(booking.seats)
        left = self.seats_of_customer[booking.user_id] - len(booking.seats)
        if left:
            self.seats_of_customer[booking.user_id] = left
        else:
            del self.seats_of_customer[booking.user_id]
        for seat in self.indexes(booking.seats):
            self.states[seat] = AVAILABLE
