"""A fake of the writers' ledger on the simulated database: same methods, refusals and unknown outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

import asyncpg

from runtime.postgres import UNAVAILABLE
from schemas.events import Booking
from schemas.seating import Seating
from seat_workers.batch import Batch
from seat_workers.command_ids import FirstDecision
from seat_workers.compact.stored_show import StoredShow
from seat_workers.ledger import Ledger, OutcomeUnknown, PartitionState, ShowSize, Unavailable
from tests.simulation.database import Database

T = TypeVar("T")

_BIG_SHOW_TAKES_S = 0.1


class Link(Protocol):
    """A connection to the database, with delays, and losses before or after an effect."""

    async def connect(self) -> None:
        """Raises one of UNAVAILABLE when the database accepts no connections."""
        ...

    async def call(self, effect: Callable[[], T], takes_s: float = 0.0) -> T:
        """Runs `effect` on the server, for about `takes_s`. Raises its error, or one of UNAVAILABLE, after which
        it may or may not have run."""
        ...

    async def commit(self, effect: Callable[[], T]) -> T:
        """Runs a commit, which also waits for the disk."""
        ...


class FakeLedger(Ledger):
    """A worker's ledger. The database is shared, the connections are its own."""

    def __init__(self, database: Database, link: Link) -> None:
        self._database = database
        self._link = link
        self._connected: set[str] = set()
        self._busy: set[str] = set()

    async def close(self) -> None:
        self._connected.clear()

    async def _read(self, effect: Callable[[], T], use: str = "read", takes_s: float = 0.0) -> T:
        if use in self._busy:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        self._busy.add(use)
        try:
            if use not in self._connected:
                await self._link.connect()
                self._connected.add(use)
            return await self._link.call(effect, takes_s)
        except UNAVAILABLE:
            self._connected.discard(use)
            raise
        finally:
            self._busy.discard(use)

    async def take(self, partitions: Sequence[int], owner: str) -> dict[int, PartitionState]:
        return await self._read(lambda: self._database.take(sorted(partitions)))

    async def states(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        return await self._read(lambda: self._database.states(sorted(partitions)))

    async def mark_published(self, advances: Mapping[int, tuple[int, int]]) -> None:
        if "read" in self._connected:
            await self._read(lambda: self._database.mark_published(dict(advances)))

    async def show_sizes(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[ShowSize]:
        return await self._read(lambda: self._database.show_sizes(show_ids, partitions))

    async def load_shows(
        self, show_ids: Sequence[int], partitions: Sequence[int], *, in_background: bool = False
    ) -> list[StoredShow]:
        if not in_background:
            return await self._read(lambda: self._database.shows(show_ids, partitions))
        try:
            return await self._read(
                lambda: self._database.shows(show_ids, partitions), "load", _BIG_SHOW_TAKES_S
            )
        except asyncio.CancelledError:
            self._connected.discard("load")
            raise

    async def pending_timers(
        self, partitions: Sequence[int]
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
        held = await self._read(lambda: self._database.held(partitions))
        return held, await self._read(lambda: self._database.cancelled(partitions))

    async def load_layouts(self, digests: Sequence[str]) -> dict[str, Seating]:
        layouts = self._database.layouts
        return await self._read(lambda: {one: layouts[one] for one in digests if one in layouts})

    async def load_bookings(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        return await self._read(lambda: self._database.bookings_by_id(booking_ids))

    async def first_decisions(self, command_ids: Sequence[UUID]) -> list[tuple[UUID, FirstDecision]]:
        return await self._read(lambda: self._database.first_decisions(command_ids))

    async def decisions(
        self, partition: int, start: int, end: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes]]:
        return await self._read(lambda: self._database.decided(partition, start, end, limit))

    async def commit(self, batch: Batch) -> None:
        try:
            if "commit" not in self._connected:
                await self._link.connect()
                self._connected.add("commit")
        except UNAVAILABLE as error:
            raise Unavailable(f"no connection to commit on: {error}") from error
        try:
            await self._link.commit(lambda: self._database.commit(batch))
        except UNAVAILABLE as error:
            self._connected.discard("commit")
            raise OutcomeUnknown(repr(error)) from error
        except BaseException as error:
            if not isinstance(error, Exception):
                self._connected.discard("commit")
            raise
