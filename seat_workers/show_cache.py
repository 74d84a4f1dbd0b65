"""The shows that a worker has in memory: a cache of PostgreSQL and nothing else.

The shows of a batch are loaded before it is decided, in one query. After a refused commit the shows that it touched
are dropped, and loaded again by the next command that needs them. A big show is loaded in the background: its
partition is blocked meanwhile, the others go on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Container, Iterable
from uuid import UUID
from weakref import WeakValueDictionary

from runtime.log import WrongLog
from schemas.commands import (
    CancelBooking,
    ChangeSeats,
    CheckIn,
    Command,
    ConfirmBooking,
    ExtendHold,
    OpenShow,
    ScanTicket,
    SwapSeats,
    UndoCheckIn,
)
from schemas.events import Booking
from schemas.seating import Seating
from seat_workers.commit import read_with_retries
from seat_workers.ledger import Ledger, ShowSize
from seat_workers.show_state import Show

MAX_SEATS_IN_MEMORY = 2_000_000
"""Seats of all cached shows together. The shows that one batch needs are kept even if they exceed it."""

MAX_CLAIMS_PER_QUERY = 4_000
"""Claimed seats of the shows that one query loads while the worker waits: some ten milliseconds. A show that does not
fit is loaded in the background."""


class ShowCache:
    """Shows by (partition, show). A show is found on its own partition only."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._max_seats = MAX_SEATS_IN_MEMORY
        self._max_claims_per_query = MAX_CLAIMS_PER_QUERY
        self._seats = 0
        self._shows: OrderedDict[tuple[int, int], Show] = OrderedDict()
        """In order of last use."""
        self._seatings: WeakValueDictionary[str, Seating] = WeakValueDictionary()
        """Layouts by digest, each kept while a show uses it."""
        self._borrowed: list[tuple[Show, UUID]] = []
        """Ended bookings that were loaded for the current batch only."""
        self._loading: dict[tuple[int, int], asyncio.Task[None]] = {}
        """The tasks that load big shows."""
        self._background_load = asyncio.Lock()

    @property
    def shows(self) -> int:
        """The number of cached shows."""
        return len(self._shows)

    def find(self, partition: int, show_id: int) -> Show | None:
        return self._shows.get((partition, show_id))

    async def load_for(self, needed_by: Iterable[tuple[int, Command]]) -> set[int]:
        """Loads the shows and ended bookings that these (partition, command) pairs need.

        For big shows a background load is started. Returns the partitions that are blocked by one: their commands
        must not be decided yet.
        """
        commands = list(needed_by)
        wanted = {(partition, command.show_id) for partition, command in commands}
        for key in wanted & self._shows.keys():
            self._shows.move_to_end(key)
        if missing := sorted(wanted - self._shows.keys() - self._loading.keys()):
            await self._load_shows(missing)
            await self._create_shows(commands)
        blocked = self.blocked_partitions()
        await self._load_ended_bookings([one for one in commands if one[0] not in blocked])
        return blocked

    def blocked_partitions(self) -> set[int]:
        """The partitions with a show that is being loaded. Raises the error of a load that has failed."""
        for task in self._loading.values():
            if task.done():
                task.result()
        return {partition for partition, _ in self._loading}

    def trim(self, busy: Container[tuple[int, int]]) -> None:
        """Evicts the least recently used shows down to the limit.

        Shows in `busy` stay: those with uncommitted changes and those of the next batch. Shows on blocked partitions
        stay as well, since the commands queued there may need several of them.
        """
        if self._seats > self._max_seats:
            blocked = {partition for partition, _ in self._loading}
            for key in [key for key in self._shows if key not in busy and key[0] not in blocked]:
                self.drop([key])
                if self._seats <= self._max_seats:
                    return

    def _keep(self, key: tuple[int, int], show: Show) -> None:
        assert key not in self._shows
        self._shows[key] = show
        self._seats += len(show.states)

    async def _create_shows(self, commands: Iterable[tuple[int, Command]]) -> None:
        """Adds unopened shows for the commands that open one.

        Raises WrongLog for a layout that the log carries and the database lacks: it would be refused for good.
        """
        for partition, command in commands:
            key = partition, command.show_id
            if isinstance(command, OpenShow) and key not in self._shows and key not in self._loading:
                seatings = await self._seatings_of([command.layout_digest])
                if seating := seatings.get(command.layout_digest):
                    self._keep(key, Show(command.show_id, seating))
                elif command.catalogue is not None:
                    raise WrongLog(
                        f"show {command.show_id} was made after the backup from which this database was restored:"
                        " `aisle migrate` brings its rows back from the log, then start again"
                    )

    async def _load_shows(self, missing: list[tuple[int, int]]) -> None:
        found = await self._ledger.show_sizes(
            sorted({show_id for _, show_id in missing}), sorted({partition for partition, _ in missing})
        )
        # The query also finds a show named on a partition that belongs to another show of the batch.
        sizes = [one for one in found if (one.partition, one.show_id) in missing]
        seatings = await self._seatings_of({one.layout_digest for one in sizes})
        small: list[ShowSize] = []
        claims = 0
        for one in sorted(sizes, key=lambda size: (size.claims, size.show_id)):
            claims += one.claims
            if claims <= self._max_claims_per_query:
                small.append(one)
            else:
                loading = self._load_in_background(one, seatings[one.layout_digest])
                self._loading[one.partition, one.show_id] = asyncio.create_task(loading, name="load a show")
        if small:
            for stored in await self._ledger.load_shows(*_ids_and_partitions(small)):
                show = Show(stored.show_id, seatings[stored.terms.layout_digest])
                for _ in show.fill(stored):
                    pass
                self._keep((stored.partition, stored.show_id), show)

    async def _load_in_background(self, one: ShowSize, seating: Seating) -> None:
        async with self._background_load:
            stored = await read_with_retries(
                lambda: self._ledger.load_shows(*_ids_and_partitions([one]), in_background=True)
            )
        show = Show(one.show_id, seating)
        for _ in show.fill(stored[0]):
            await asyncio.sleep(0)
        # No other task runs from here on: a load that was dropped is cancelled above, any other completes.
        key = one.partition, one.show_id
        del self._loading[key]
        self._keep(key, show)

    async def _seatings_of(self, digests: Collection[str]) -> dict[str, Seating]:
        found = {digest: seating for digest in digests if (seating := self._seatings.get(digest)) is not None}
        if missing := [digest for digest in digests if digest not in found]:
            loaded = await self._ledger.load_layouts(missing)
            self._seatings.update(loaded)
            found |= loaded
        return found

    async def _load_ended_bookings(self, commands: list[tuple[int, Command]]) -> None:
        """Lends shows the ended bookings that commands name, since memory holds live ones only."""
        named: dict[UUID, dict[int, Show]] = {}
        """Booking → the shows of the commands that name it. It belongs to one of them, or to another."""
        for partition, command in commands:
            named_ids = _named_bookings(command)
            show = self.find(partition, command.show_id) if named_ids else None
            if show is not None:
                for booking_id in named_ids:
                    if booking_id not in show.bookings and booking_id not in show.ended:
                        named.setdefault(booking_id, {})[show.show_id] = show
        if named:
            for booking in await self._ledger.load_bookings(sorted(named)):
                show = named[booking.booking_id].get(booking.show_id)
                if show is not None:
                    show.ended[booking.booking_id] = booking
                    self._borrowed.append((show, booking.booking_id))

    def drop_borrowed(self) -> None:
        """Drops the ended bookings that were loaded for the batch just decided."""
        for show, booking_id in self._borrowed:
            show.ended.pop(booking_id, None)
        self._borrowed.clear()

    def forget_ended(self, bookings: Iterable[tuple[int, Booking]]) -> None:
        """Drops (partition, booking) pairs that have ended, once that is committed."""
        for partition, booking in bookings:
            show = self.find(partition, booking.show_id)
            if show is not None:
                show.ended.pop(booking.booking_id, None)

    def drop(self, shows: Iterable[tuple[int, int]]) -> None:
        """Drops shows, by (partition, show), and cancels their loads."""
        for key in shows:
            show = self._shows.pop(key, None)
            if show is not None:
                self._seats -= len(show.states)
            self._cancel_load(key)

    def cancel_loads(self, partitions: Collection[int]) -> None:
        """Cancels the background loads of these partitions; what is loaded stays."""
        for key in [key for key in self._loading if key[0] in partitions]:
            self._cancel_load(key)

    def _cancel_load(self, key: tuple[int, int]) -> None:
        loading = self._loading.pop(key, None)
        if loading is not None:
            loading.cancel()

    def drop_partitions(self, partitions: Collection[int]) -> None:
        """Drops every show of these partitions."""
        self.drop([key for key in (*self._shows, *self._loading) if key[0] in partitions])


def _named_bookings(command: Command) -> tuple[UUID, ...]:
    """The ids of the existing bookings that a command is about."""
    match command:
        case ConfirmBooking() | CancelBooking() | ExtendHold() | ChangeSeats():
            return (command.booking_id,)
        case CheckIn() | ScanTicket() | UndoCheckIn():
            return (command.booking_id,)
        case SwapSeats():
            return command.booking_id, command.with_booking_id
    return ()


def _ids_and_partitions(shows: Iterable[ShowSize]) -> tuple[list[int], list[int]]:
    return sorted({one.show_id for one in shows}), sorted({one.partition for one in shows})
