"""The shows that a worker has in memory: loaded when first asked for, dropped when in doubt.

ShowCache is a cache of PostgreSQL and nothing else. What the commands at hand need is loaded before they are
decided, in one query for all of them; after a refused commit the shows it touched are dropped, and loaded
again when they are needed again. A big show is loaded aside: its partition waits, the others go on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Container, Iterable
from uuid import UUID
from weakref import WeakValueDictionary

from schemas.commands import CancelBooking, CheckIn, Command, ConfirmBooking, OpenShow
from schemas.events import Booking
from schemas.layout import Seating
from seat_workers.commit import read_with_retries
from seat_workers.ledger import Ledger, ShowSize
from seat_workers.show_state import Show

MAX_SEATS_IN_MEMORY = 2_000_000
"""Seats of all shows together. Shows that are asked for at the same moment are kept whatever their size."""

MAX_CLAIMS_PER_QUERY = 4_000
"""Claimed seats of all shows that are loaded in one query while everybody waits: some ten milliseconds."""


class ShowCache:
    """Shows by (partition, show): a show asked for on a partition that is not its own is not there."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._max_seats = MAX_SEATS_IN_MEMORY
        self._max_claims_per_query = MAX_CLAIMS_PER_QUERY
        self._seats = 0
        self._shows: OrderedDict[tuple[int, int], Show] = OrderedDict()
        """In the order in which they were last asked for."""
        self._seatings: WeakValueDictionary[str, Seating] = WeakValueDictionary()
        """Layouts by digest, as long as a show uses them."""
        self._borrowed: list[tuple[Show, UUID]] = []
        self._aside: dict[tuple[int, int], asyncio.Task[None]] = {}
        """Big shows that are being loaded."""
        self._one_aside = asyncio.Lock()

    @property
    def shows(self) -> int:
        """How many are here."""
        return len(self._shows)

    def find(self, partition: int, show_id: int) -> Show | None:
        return self._shows.get((partition, show_id))

    async def load_for(self, asked: Iterable[tuple[int, Command]]) -> set[int]:
        """Loads what these (partition, command) pairs need and is not here.

        Big shows are only begun to be loaded. Returns the partitions that wait for one: none of their commands
        is to be decided yet.
        """
        commands = list(asked)
        wanted = {(partition, command.show_id) for partition, command in commands}
        for key in wanted & self._shows.keys():
            self._shows.move_to_end(key)
        if missing := sorted(wanted - self._shows.keys() - self._aside.keys()):
            await self._load_shows(missing)
            await self._begin_shows(commands)
        blocked_partitions = self.blocked_partitions()
        await self._load_named_bookings([one for one in commands if one[0] not in blocked_partitions])
        return blocked_partitions

    def blocked_partitions(self) -> set[int]:
        """Partitions of which a show is being loaded. Raises what has gone wrong with that."""
        for task in self._aside.values():
            if task.done():
                task.result()
        return {partition for partition, _ in self._aside}

    def trim(self, busy: Container[tuple[int, int]]) -> None:
        """Forgets shows down to the limit, those not asked for the longest first.

        None that is `busy`: a show is never dropped while a batch that changed it is not committed, nor while
        it is needed. None of a partition that is held up either: what is next there may need several.
        """
        if self._seats > self._max_seats:
            blocked_partitions = {partition for partition, _ in self._aside}
            for key in [key for key in self._shows if key not in busy and key[0] not in blocked_partitions]:
                self.drop([key])
                if self._seats <= self._max_seats:
                    return

    def _keep(self, key: tuple[int, int], show: Show) -> None:
        assert key not in self._shows
        self._shows[key] = show
        self._seats += len(show.states)

    async def _begin_shows(self, commands: Iterable[tuple[int, Command]]) -> None:
        """Shows that a command at hand may open."""
        for partition, command in commands:
            key = partition, command.show_id
            if isinstance(command, OpenShow) and key not in self._shows and key not in self._aside:
                seatings = await self._seatings_of([command.layout_digest])
                if seating := seatings.get(command.layout_digest):
                    self._keep(key, Show(command.show_id, seating))

    async def _load_shows(self, missing: list[tuple[int, int]]) -> None:
        found = await self._ledger.show_sizes(
            sorted({show_id for _, show_id in missing}), sorted({partition for partition, _ in missing})
        )
        # A show that was asked for on another's partition is there, too, and perhaps in memory already.
        sizes = [one for one in found if (one.partition, one.show_id) in missing]
        seatings = await self._seatings_of({one.layout_digest for one in sizes})
        soon: list[ShowSize] = []
        claims = 0
        for one in sorted(sizes, key=lambda size: (size.claims, size.show_id)):
            claims += one.claims
            if claims <= self._max_claims_per_query:
                soon.append(one)
            else:
                loading = self._load_aside(one, seatings[one.layout_digest])
                self._aside[one.partition, one.show_id] = asyncio.create_task(loading, name="load a show")
        if soon:
            for stored in await self._ledger.load_shows(*_named(soon)):
                show = Show(stored.show_id, seatings[stored.terms.layout_digest])
                for _ in show.fill(stored):
                    pass
                self._keep((stored.partition, stored.show_id), show)

    async def _load_aside(self, one: ShowSize, seating: Seating) -> None:
        async with self._one_aside:
            stored = await read_with_retries(
                lambda: self._ledger.load_shows(*_named([one]), in_background=True)
            )
        show = Show(one.show_id, seating)
        for _ in show.fill(stored[0]):
            await asyncio.sleep(0)
        # From here on nobody else runs: either this load was dropped before, or the show is in memory now.
        key = one.partition, one.show_id
        del self._aside[key]
        self._keep(key, show)

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
                if show and booking_id not in show.bookings and booking_id not in show.ended:
                    named[booking_id] = show
        if named:
            for booking in await self._ledger.load_bookings(sorted(named)):
                show = named[booking.booking_id]
                if booking.show_id == show.show_id:
                    show.ended[booking.booking_id] = booking
                    self._borrowed.append((show, booking.booking_id))

    def return_borrowed(self) -> None:
        """Forgets the ended bookings that were loaded for the commands just decided."""
        for show, booking_id in self._borrowed:
            show.ended.pop(booking_id, None)
        self._borrowed.clear()

    def forget_ended(self, bookings: Iterable[tuple[int, Booking]]) -> None:
        """Forgets (partition, booking) pairs that are over, once their end is stored."""
        for partition, booking in bookings:
            show = self.find(partition, booking.show_id)
            if show is not None:
                show.ended.pop(booking.booking_id, None)

    def drop(self, shows: Iterable[tuple[int, int]]) -> None:
        """Forgets shows, by (partition, show); those being loaded too."""
        for key in shows:
            show = self._shows.pop(key, None)
            if show is not None:
                self._seats -= len(show.states)
            loading = self._aside.pop(key, None)
            if loading is not None:
                loading.cancel()

    def drop_partitions(self, partitions: Collection[int]) -> None:
        """Forgets every show of these partitions."""
        self.drop([key for key in (*self._shows, *self._aside) if key[0] in partitions])


def _named(shows: Iterable[ShowSize]) -> tuple[list[int], list[int]]:
    return sorted({one.show_id for one in shows}), sorted({one.partition for one in shows})
