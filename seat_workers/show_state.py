"""The state of one show in its writer's memory: which booking has which seat. Pure.

show.py applies events to it; the rules only read it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID

from schemas import seat_states
from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.seating import Seating
from seat_workers.compact.live_bookings import LiveBookings
from seat_workers.compact.packed_keys import ROWS_PER_STEP
from seat_workers.compact.stored_show import BlockedColumns, BookingColumns, StoredShow

AVAILABLE = ord(seat_states.AVAILABLE)
HELD = ord(seat_states.HELD)
SOLD = ord(seat_states.SOLD)
BLOCKED = ord(seat_states.BLOCKED)

_SEAT_STATE = {BookingStatus.HELD: HELD, BookingStatus.CONFIRMED: SOLD}


class Block(NamedTuple):
    """What a seat is blocked for, and until when: log time in Unix milliseconds, None for ever."""

    code: str | None = None
    release_ms: int | None = None


PLAIN = Block()
"""A block without a code that is not released by itself."""


class Show:
    """One show in its writer's memory: a cache of its rows in PostgreSQL.

    Filled from stored rows, or unopened (`status` None) before its first command.
    """

    __slots__ = (
        "available",
        "blocks",
        "bookings",
        "ended",
        "expiries",
        "releases",
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
        self.seats_of_customer = self.bookings.customers
        self.ended: dict[UUID, Booking] = {}
        """Bookings that are not live: those that ended since the last commit, and those that a command names."""
        self.expiries: list[tuple[int, UUID]] = []
        """A heap of (expires_ms, booking id). It may have stale entries, of holds that ended or were extended."""
        self.blocks: dict[int, Block] = {}
        """Blocked seats with a code or a release time."""
        self.releases: list[tuple[int, int]] = []
        """A heap of (release_ms, seat). It may have stale entries, of seats that are not blocked so any more."""

    def restore(
        self,
        status: ShowStatus,
        terms: Terms,
        version: int,
        bookings: Iterable[Booking],
        blocked: Mapping[int, Block],
    ) -> None:
        """Fills a fresh show from live bookings and blocked seats, given by their indexes."""
        columns = BookingColumns.of(bookings, self.seating)
        blocked_seats = BlockedColumns(
            array("I", blocked),
            array("q", [block.release_ms or 0 for block in blocked.values()]),
            [block.code for block in blocked.values()],
        )
        available = self.available - len(columns.seats) - len(blocked_seats.seats)
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
        blocked = stored.blocked
        for seat, release_ms, code in zip(blocked.seats, blocked.release_ms, blocked.codes, strict=True):
            self._block(seat, Block(code, release_ms or None))
        self.available -= len(columns.seats) + len(blocked.seats)
        if self.available != stored.available:
            raise ValueError(
                f"show {self.show_id} has {self.available} seats without a claim and says that"
                f" {stored.available} are available; `aisle verify` says which differ"
            )

    def next_expiry_ms(self) -> int | None:
        """The log time at which the next hold expires or block is released; None when there is none."""
        while self.expiries and not self.holds_until(self.expiries[0][1], self.expiries[0][0]):
            heappop(self.expiries)
        while self.releases and not self.blocks_until(self.releases[0][1], self.releases[0][0]):
            heappop(self.releases)
        next_of_each = [heap[0][0] for heap in (self.expiries, self.releases) if heap]
        return min(next_of_each, default=None)

    def holds_until(self, booking_id: UUID, expires_ms: int) -> bool:
        """Whether this booking is held until then; false for a stale entry of `expiries`."""
        return self.bookings.held_until(booking_id) == expires_ms

    def blocks_until(self, seat: int, release_ms: int) -> bool:
        """Whether this seat is blocked until then; false for a stale entry of `releases`."""
        return self.block(seat).release_ms == release_ms

    def block(self, seat: int) -> Block:
        """The block of a seat; PLAIN for one that is not blocked."""
        return self.blocks.get(seat, PLAIN)

    def bookings_of(self, user_id: int) -> list[Booking]:
        """The live bookings of a customer, by id."""
        return [self.bookings[booking_id] for booking_id in self.bookings.of_customer(user_id)]

    def indexes(self, labels: Iterable[str]) -> list[int]:
        """The indexes of seats of this show, in the order given."""
        index = self.seating.index
        return [index(label) for label in labels]

    def claim(self, booking: Booking) -> None:
        """Gives a booking its seats, or confirms a held one."""
        state = _SEAT_STATE[booking.status]
        seats = self.indexes(booking.seats)
        if self.bookings.put(booking, seats):
            self.available -= len(seats)
        for seat in seats:
            self.states[seat] = state
        if booking.expires_ms is not None:
            heappush(self.expiries, (booking.expires_ms, booking.booking_id))

    def extend(self, booking: Booking) -> None:
        """Gives a hold a new expiry."""
        assert booking.expires_ms is not None
        self.bookings.put(booking, [])
        heappush(self.expiries, (booking.expires_ms, booking.booking_id))

    def change_seats(self, booking: Booking, old_seats: Iterable[str]) -> None:
        """Gives a booking other seats. `booking`: as it is afterwards."""
        freed = self.indexes(old_seats)
        for seat in freed:
            self.states[seat] = AVAILABLE
        self.available += len(freed) - len(booking.seats)
        self._move(booking)

    def swap_seats(self, one: Booking, other: Booking) -> None:
        """Exchanges the seats of two bookings. Both are given as they are afterwards."""
        self._move(one)
        self._move(other)

    def _move(self, booking: Booking) -> None:
        seats = self.indexes(booking.seats)
        self.bookings.move(booking.booking_id, seats)
        for seat in seats:
            self.states[seat] = _SEAT_STATE[booking.status]

    def set_blocked(self, labels: Iterable[str], block: Block) -> None:
        """Blocks available seats."""
        seats = self.indexes(labels)
        for seat in seats:
            self._block(seat, block)
        self.available -= len(seats)

    def _block(self, seat: int, block: Block) -> None:
        self.states[seat] = BLOCKED
        if block != PLAIN:
            self.blocks[seat] = block
            if block.release_ms is not None:
                heappush(self.releases, (block.release_ms, seat))

    def set_unblocked(self, labels: Iterable[str]) -> None:
        """Makes blocked seats available."""
        seats = self.indexes(labels)
        for seat in seats:
            self.states[seat] = AVAILABLE
            self.blocks.pop(seat, None)
        self.available += len(seats)

    def free(self, booking: Booking) -> None:
        """Frees the seats of a booking that has ended. `booking`: as it is after its end."""
        del self.bookings[booking.booking_id]
        self.ended[booking.booking_id] = booking
        self.available += len(booking.seats)
        for seat in self.indexes(booking.seats):
            self.states[seat] = AVAILABLE
