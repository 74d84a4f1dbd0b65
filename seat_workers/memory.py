"""The shows that a worker has in memory: loaded when first asked for, dropped when in doubt.

Memory is a cache of PostgreSQL and nothing else. What the commands at hand need is loaded before they are
decided, in one query for all of them; after a refused commit the shows it touched are dropped, and loaded
again when they are needed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from schemas.commands import CancelBooking, CheckIn, Command, ConfirmBooking, OpenShow
from schemas.events import Booking
from schemas.layout import Seating
from seat_workers.ledger import Ledger, StoredShow
from seat_workers.show_state import Show


class Memory:
    """Shows by (partition, show): a show asked for on a partition that is not its own is not there."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._shows: dict[tuple[int, int], Show] = {}
        self._seatings: dict[str, Seating] = {}
        self._borrowed: list[tuple[Show, UUID]] = []

    def find(self, partition: int, show_id: int) -> Show | None:
        return self._shows.get((partition, show_id))

    async def load_for(self, asked: Iterable[tuple[int, Command]]) -> None:
        """Loads what these (partition, command) pairs need and is not here."""
        commands = list(asked)
        missing = sorted(
            {(partition, c.show_id) for partition, c in commands if (partition, c.show_id) not in self._shows}
        )
        if missing:
            await self._load_shows(missing)
        for partition, command in commands:
            if isinstance(command, OpenShow) and (partition, command.show_id) not in self._shows:
                await self._load_seatings([command.layout_digest])
                seating = self._seatings.get(command.layout_digest)
                if seating is not None:
                    self._shows[partition, command.show_id] = Show(command.show_id, seating)
        await self._load_named_bookings(commands)

    async def _load_shows(self, missing: list[tuple[int, int]]) -> None:
        stored = await self._ledger.load_shows(
            sorted({show_id for _, show_id in missing}), sorted({partition for partition, _ in missing})
        )
        await self._load_seatings({show.terms.layout_digest for show in stored})
        for show in stored:
            self._shows[show.partition, show.show_id] = self._restored(show)

    async def _load_seatings(self, digests: Collection[str]) -> None:
        missing = [digest for digest in digests if digest not in self._seatings]
        if missing:
            self._seatings.update(await self._ledger.load_layouts(missing))

    def _restored(self, stored: StoredShow) -> Show:
        show = Show(stored.show_id, self._seatings[stored.terms.layout_digest])
        show.restore(stored.status, stored.terms, stored.version, stored.bookings, stored.blocked)
        return show

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
            self._shows.pop(key, None)

    def drop_partitions(self, partitions: Collection[int]) -> None:
        """Forgets every show of these partitions."""
        self.drop([key for key in self._shows if key[0] in partitions])
