"""The shows that a worker has in memory: loaded when first asked for, dropped when in doubt.

Memory is a cache of PostgreSQL and nothing else. What the commands at hand need is loaded before they are
decided, in one query for all of them; after a refused commit the shows it touched are dropped, and loaded
again when they are needed again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Container, Iterable
from uuid import UUID
from weakref import WeakValueDictionary

from schemas.commands import CancelBooking, CheckIn, Command, ConfirmBooking, OpenShow
from schemas.events import Booking
from schemas.layout import Seating
from seat_workers.ledger import Ledger
from seat_workers.show_state import Show

MAX_SEATS_IN_MEMORY = 2_000_000
"""Seats of all shows together. Shows that are asked for at the same moment are kept whatever their size."""


class Memory:
    """Shows by (partition, show): a show asked for on a partition that is not its own is not there."""

    def __init__(self, ledger: Ledger, max_seats: int = MAX_SEATS_IN_MEMORY) -> None:
        self._ledger = ledger
        self._max_seats = max_seats
        self._seats = 0
        self._shows: OrderedDict[tuple[int, int], Show] = OrderedDict()
        """In the order in which they were last asked for."""
        self._seatings: WeakValueDictionary[str, Seating] = WeakValueDictionary()
        """Layouts by digest, as long as a show uses them."""
        self._borrowed: list[tuple[Show, UUID]] = []

    def find(self, partition: int, show_id: int) -> Show | None:
        return self._shows.get((partition, show_id))

    async def load_for(self, asked: Iterable[tuple[int, Command]]) -> None:
        """Loads what these (partition, command) pairs need and is not here."""
        commands = list(asked)
        wanted = {(partition, command.show_id) for partition, command in commands}
        for key in wanted & self._shows.keys():
            self._shows.move_to_end(key)
        if missing := sorted(wanted - self._shows.keys()):
            await self._load_shows(missing)
            await self._begin_shows(commands)
        await self._load_named_bookings(commands)

    def trim(self, busy: Container[tuple[int, int]]) -> None:
        """Forgets shows down to the limit, those not asked for the longest first.

        None that is `busy`: a show is never dropped while a batch that changed it is not committed.
        """
        if self._seats > self._max_seats:
            for key in [key for key in self._shows if key not in busy]:
                self.drop([key])
                if self._seats <= self._max_seats:
                    return

    def _keep(self, key: tuple[int, int], show: Show) -> None:
        self.drop([key])
        self._shows[key] = show
        self._seats += len(show.states)

    async def _begin_shows(self, commands: Iterable[tuple[int, Command]]) -> None:
        """Shows that a command at hand may open."""
        for partition, command in commands:
            if isinstance(command, OpenShow) and (partition, command.show_id) not in self._shows:
                seatings = await self._seatings_of([command.layout_digest])
                if seating := seatings.get(command.layout_digest):
                    self._keep((partition, command.show_id), Show(command.show_id, seating))

    async def _load_shows(self, missing: list[tuple[int, int]]) -> None:
        stored = await self._ledger.load_shows(
            sorted({show_id for _, show_id in missing}), sorted({partition for partition, _ in missing})
        )
        seatings = await self._seatings_of({show.terms.layout_digest for show in stored})
        for one in stored:
            show = Show(one.show_id, seatings[one.terms.layout_digest])
            show.restore(one.status, one.terms, one.version, one.bookings, one.blocked)
            self._keep((one.partition, one.show_id), show)

    async def _seatings_of(self, digests: Collection[str]) -> dict[str, Seating]:
        found = {digest: seating for digest in digests if (seating := self._seatings.get(digest)) is not None}
        if missing := [digest for digest in digests if digest not in found]:
            loaded = await self._ledger.load_layouts(missing)
            self._seatings.update(loaded)
            found |= loaded
        return found

    async def _load_named_bookings(self, commands: list[tuple[int, Command]]) -> None:
        """Bookings that are over are not kept in memory: a command that names one is decided with its row."""
        named: dict[UUID, Show] = {}
        for partition, command in commands:
            if isinstance(command, ConfirmBooking | CancelBooking | CheckIn):
                show = self.find(partition, command.show_id)
                booking_id = command.booking_id
                if show and booking_id not in show.bookings and booking_id not in show.past:
                    named[booking_id] = show
        if named:
            for booking in await self._ledger.load_bookings(sorted(named)):
                show = named[booking.booking_id]
                if booking.show_id == show.show_id:
                    show.past[booking.booking_id] = booking
                    self._borrowed.append((show, booking.booking_id))

    def return_borrowed(self) -> None:
        """Forgets the ended bookings that were loaded for the commands just decided."""
        for show, booking_id in self._borrowed:
            show.past.pop(booking_id, None)
        self._borrowed.clear()

    def forget_ended(self, bookings: Iterable[tuple[int, Booking]]) -> None:
        """Forgets (partition, booking) pairs that are over, once their end is stored."""
        for partition, booking in bookings:
            show = self.find(partition, booking.show_id)
            if show is not None:
                show.past.pop(booking.booking_id, None)

    def drop(self, shows: Iterable[tuple[int, int]]) -> None:
        """Forgets shows, by (partition, show)."""
        for key in shows:
            show = self._shows.pop(key, None)
            if show is not None:
                self._seats -= len(show.states)

    def drop_partitions(self, partitions: Collection[int]) -> None:
        """Forgets every show of these partitions."""
        self.drop([key for key in self._shows if key[0] in partitions])
