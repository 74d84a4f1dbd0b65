"""The state of one show as its writer keeps it in memory: who has which seat. Pure.

What may happen to it is said in show.py; here is only what it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from uuid import UUID

from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.layout import Seating
from seat_workers.compact.live_bookings import LiveBookings, SeatsOfCustomers
from seat_workers.compact.packed_keys import ROWS_PER_STEP
from seat_workers.compact.stored_show import BookingColumns, StoredShow

AVAILABLE, HELD, SOLD, BLOCKED = b"ahsb"

_LETTER = {BookingStatus.HELD: HELD, BookingStatus.CONFIRMED: SOLD}


class Show:
    """One show as its writer keeps it in memory: a cache of what PostgreSQL has, and nothing else.

    Made from stored rows, or unopened (`status` None) for a show that the log has not heard of.
    """

    __slots__ = (
        "available",
        "bookings",
        "ended",
        "expiries",
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
        self.bookings = LiveBookings(show_id, seating)
        self.ended: dict[UUID, Booking] = {}
        """Bookings that are over, as far as a command at hand names them or their end is not yet stored."""
        self.seats_of_customer = SeatsOfCustomers()
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
        """Fills a fresh show from live bookings. `blocked`: indexes of blocked seats."""
        columns = BookingColumns.of(bookings, self.seating)
        blocked_seats = array("I", blocked)
        available = self.available - len(columns.seats) - len(blocked_seats)
        for _ in self.fill(
            StoredShow(self.show_id, 0, status, terms, version, available, columns, blocked_seats)
        ):
            pass

    def fill(self, stored: StoredShow) -> Iterator[None]:
        """Fills a fresh show from what is stored, a few milliseconds' worth each time it is asked to go on.

        A show of 100,000 seats takes a tenth of a second: whoever fills it may let others run in between. It
        is to be used only when there is nothing more to go on with. Raises ValueError where the claims are not
        as many as the show's row says.
        """
        self.status, self.terms, self.version = stored.status, stored.terms, stored.version
        columns = stored.bookings
        yield from self.bookings.fill(columns)
        yield from self.seats_of_customer.fill(columns.users, columns.sizes)
        for start in range(0, len(columns.seats), ROWS_PER_STEP):
            for seat in columns.seats[start : start + ROWS_PER_STEP]:
                self.states[seat] = SOLD
            yield
        for n, (booking_id, expires_ms, seats) in enumerate(self.bookings.held(), 1):
            for seat in seats:
                self.states[seat] = HELD
            heappush(self.expiries, (expires_ms, booking_id))
            if n % (ROWS_PER_STEP // 4) == 0:
                yield
        for seat in stored.blocked:
            self.states[seat] = BLOCKED
        self.available -= len(columns.seats) + len(stored.blocked)
        if self.available != stored.available:
            raise ValueError(
                f"show {self.show_id} has {self.available} seats without a claim and says that"
                f" {stored.available} are available; `aisle verify` says which differ"
            )

    def next_expiry_ms(self) -> int | None:
        """When the next hold is due, in log time; None when nothing is held."""
        while self.expiries:
            expires_ms, booking_id = self.expiries[0]
            if self.holds_until(booking_id, expires_ms):
                return expires_ms
            heappop(self.expiries)
        return None

    def holds_until(self, booking_id: UUID, expires_ms: int) -> bool:
        """Whether this booking is held until then: not so for a left-over of a hold that ended otherwise."""
        return self.bookings.held_until(booking_id) == expires_ms

    def indexes(self, labels: Iterable[str]) -> list[int]:
        """The indexes of seats of this show, in the order given."""
        index = self.seating.index
        return [index(label) for label in labels]

    def claim(self, booking: Booking) -> None:
        """A booking takes its seats, or a held one keeps them for good."""
        letter = _LETTER[booking.status]
        seats = self.indexes(booking.seats)
        if self.bookings.put(booking, seats):
            self.seats_of_customer.add(booking.user_id, len(seats))
            self.available -= len(seats)
        for seat in seats:
            self.states[seat] = letter
        if booking.expires_ms is not None:
            heappush(self.expiries, (booking.expires_ms, booking.booking_id))

    def free(self, booking: Booking) -> None:
        """A booking that is over, as it now is, gives its seats back."""
        del self.bookings[booking.booking_id]
        self.ended[booking.booking_id] = booking
        self.available += len(booking.seats)
        self.seats_of_customer.add(booking.user_id, -len(booking.seats))
        for seat in self.indexes(booking.seats):
            self.states[seat] = AVAILABLE
