"""A model of the tables of claims and bookings, as strict about counts as `commit_batch`."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from schemas.events import Booking, ShowStatus, Terms
from schemas.seating import Seating
from seat_workers.fold import Claim, DecidedRecord, fold
from seat_workers.show_state import BLOCKED, Block, Show


class TablesModel:
    """The stored rows of one show."""

    def __init__(self, show_id: int, seating: Seating) -> None:
        self._show_id = show_id
        self._seating = seating
        self.claims: dict[int, Claim] = {}
        self.bookings: dict[UUID, Booking] = {}

    def write(self, batch: Iterable[DecidedRecord]) -> None:
        """Commits the net changes of a batch."""
        net = fold(batch, {self._show_id: self._seating})
        for _, seat in net.freed:
            del self.claims[seat]
        for _, seat, claim in net.claims:
            assert seat not in self.claims
            self.claims[seat] = claim
        for booking, _ in net.new_bookings:
            assert booking.booking_id not in self.bookings
            self.bookings[booking.booking_id] = booking
        for booking, _ in net.changed_bookings:
            assert booking.booking_id in self.bookings
            before = self.bookings[booking.booking_id]
            assert before.seats == booking.seats or booking.booking_id.int in net.moved
            self.bookings[booking.booking_id] = booking

    def assert_equal_to(self, show: Show) -> None:
        """Asserts that the tables equal the show in memory."""
        assert self.bookings == {**show.ended, **show.bookings}
        states = bytearray(b"a" * len(self._seating))
        for seat, claim in self.claims.items():
            states[seat] = ord(claim.state)
            assert (claim.code, claim.release_ms) == show.block(seat)
            if claim.booking_id is not None:
                assert self._seating.labels[seat] in show.bookings[claim.booking_id].seats
        assert states == show.states

    def load(self, status: ShowStatus, terms: Terms, version: int) -> Show:
        """Loads the show from the tables, ended bookings included."""
        show = Show(self._show_id, self._seating)
        live = [booking for booking in self.bookings.values() if booking.status.live]
        blocked = {
            seat: Block(claim.code, claim.release_ms)
            for seat, claim in self.claims.items()
            if ord(claim.state) == BLOCKED
        }
        show.restore(status, terms, version, live, blocked)
        show.ended.update({key: booking for key, booking in self.bookings.items() if not booking.status.live})
        return show
