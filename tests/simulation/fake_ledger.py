"""The writers' ledger on the simulated database: same methods, same refusals, same unknown outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import AWAY
from schemas.events import Booking
from schemas.layout import Seating
from seat_workers.batch import Batch
from seat_workers.ledger import Ledger, OutcomeUnknown, PartitionState, StoredShow, Unavailable
from seat_workers.recent import First
from tests.simulation.database import Database

T = TypeVar("T")


class Wire(Protocol):
    """The way to the database and back: late, cut off before it happened, or after."""

    async def connect(self) -> None:
        """Raises one of AWAY when the database lets nobody in."""
        ...

    async def ask(self, effect: Callable[[], T]) -> T:
        """Runs `effect` over there. Raises what it raises, or one of AWAY, whether or not it has run."""
        ...

    async def commit(self, effect: Callable[[], T]) -> T:
        """As `ask`, for what has to be on the disk."""
        ...


class FakeLedger(Ledger):
    """A worker's ledger. `database` is shared, the connections are its own."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self._database = database
        self._wire = wire
        self._connected: set[str] = set()
        self._reading = False

    async def close(self) -> None:
        self._connected.clear()

    async def _read(self, effect: Callable[[], T]) -> T:
        if self._reading:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        self._reading = True
        try:
            if "read" not in self._connected:
                await self._wire.connect()
                self._connected.add("read")
            return await self._wire.ask(effect)
        except AWAY:
            self._connected.discard("read")
            raise
        finally:
            self._reading = False

    async def take(self, partitions: Sequence[int], owner: str) -> dict[int, PartitionState]:
        return await self._read(lambda: self._database.take(sorted(partitions)))

    async def states(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        return await self._read(lambda: self._database.states(sorted(partitions)))

    async def mark_published(self, advances: Mapping[int, tuple[int, int]]) -> None:
        if "read" in self._connected:
            await self._read(lambda: self._database.mark_published(dict(advances)))

    async def load_shows(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[StoredShow]:
        shows = await self._read(lambda: self._database.shows(show_ids, partitions))
        found = [show.show_id for show in shows]
        bookings = await self._read(lambda: self._database.live_bookings(found))
        blocked = await self._read(lambda: self._database.blocked(found))
        return [
            msgspec.structs.replace(
                show,
                bookings=[booking for booking in bookings if booking.show_id == show.show_id],
                blocked=[seat for show_id, seat in blocked if show_id == show.show_id],
            )
            for show in shows
        ]

    async def unfinished(
        self, partitions: Sequence[int]
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
        held = await self._read(lambda: self._database.held(partitions))
        return held, await self._read(lambda: self._database.cancelled(partitions))

    async def load_layouts(self, digests: Sequence[str]) -> dict[str, Seating]:
        layouts = self._database.layouts
        return await self._read(lambda: {one: layouts[one] for one in digests if one in layouts})

    async def load_bookings(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        return await self._read(lambda: self._database.bookings_by_id(booking_ids))

    async def first_decisions(self, command_ids: Sequence[UUID]) -> list[tuple[UUID, First]]:
        return await self._read(lambda: self._database.first_decisions(command_ids))

    async def decisions(
        self, partition: int, start: int, end: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes]]:
        return await self._read(lambda: self._database.decided(partition, start, end, limit))

    async def commit(self, batch: Batch) -> None:
        try:
            if "commit" not in self._connected:
                await self._wire.connect()
                self._connected.add("commit")
        except AWAY as error:
            raise Unavailable(f"no connection to commit on: {error}") from error
        try:
            await self._wire.commit(lambda: self._database.commit(batch))
        except AWAY as error:
            self._connected.discard("commit")
            raise OutcomeUnknown(repr(error)) from error
        except BaseException as error:
            if not isinstance(error, Exception):
                self._connected.discard("commit")
            raise
