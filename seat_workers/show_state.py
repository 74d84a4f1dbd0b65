"""The state of one show in its writer's memory: which booking has which seat. Pure.

show.py has the rules by which it changes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from uuid import UUID

from schemas import seat_states
from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.layout import Seating
from seat_workers.compact.live_bookings import LiveBookings, SeatsOfCustomers
from seat_workers.compact.packed_keys import ROWS_PER_STEP
from seat_workers.compact.stored_show import BookingColumns, StoredShow

AVAILABLE = ord(seat_states.AVAILABLE)
HELD = ord(seat_states.HELD)
SOLD = ord(seat_states.SOLD)
BLOCKED = ord(seat_states.BLOCKED)

_SEAT_STATE = {BookingStatus.HELD: HELD, BookingStatus.CONFIRMED: SOLD}


class Show:
    """One show in its writer's memory: a cache of its rows in PostgreSQL.

    Filled from stored rows, or unopened (`status` None) before its first command.
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
        """The log offset of the last change; set by the decider."""
        self.states = bytearray([AVAILABLE]) * len(seating)
        """The state of each seat, in layout order."""
        self.available = len(seating)
        self.bookings = LiveBookings(show_id, seating)
        self.ended: dict[UUID, Booking] = {}
        """Bookings that are not live: those that ended since the last commit, and those that a command names."""
        self.seats_of_customer = SeatsOfCustomers()
        self.expiries: list[tuple[int, UUID]] = []
        """A heap of (expires_ms, booking id). It may have stale entries, of holds that ended before they expired."""

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
        """Fills a fresh show from its stored rows, a few milliseconds of work per iteration.

        A show of 100,000 seats takes a tenth of a second, so a caller may let other tasks run in between. The show is
        usable only after the last iteration. Raises ValueError if the claims are not as many as the show's row says.
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
        """The log time at which the next hold expires; None when nothing is held."""
        while self.expiries:
            expires_ms, booking_id = self.expiries[0]
            if self.holds_until(booking_id, expires_ms):
                return expires_ms
            heappop(self.expiries)
        return None

    def holds_until(self, booking_id: UUID, expires_ms: int) -> bool:
        """Whether this booking is held until then; false for a stale entry of `expiries`."""
        return self.bookings.held_until(booking_id) == expires_ms

    def indexes(self, labels: Iterable[str]) -> list[int]:
        """The indexes of seats of this show, in the order given."""
        index = self.seating.index
        return [index(label) for label in labels]

    def claim(self, booking: Booking) -> None:
        """Gives a booking its seats, or confirms a held one."""
        state = _SEAT_STATE[booking.status]
        seats = self.indexes(booking.seats)
        if self.bookings.put(booking, seats):
            self.seats_of_customer.add(booking.user_id, len(seats))
            self.available -= len(seats)
        for seat in seats:
            self.states[seat] = state
        if booking.expires_ms is not None:
            heappush(self.expiries, (booking.expires_ms, booking.booking_id))

    def free(self, booking: Booking) -> None:
        """Frees the seats of a booking that has ended. `booking`: as it is after its end."""
        del self.bookings[booking.booking_id]
        self.ended[booking.booking_id] = booking
        self.available += len(booking.seats)
        self.seats_of_customer.add(booking.user_id, -len(booking.seats))
        for seat in self.indexes(booking.seats):
            self.states[seat] = AVAILABLE
