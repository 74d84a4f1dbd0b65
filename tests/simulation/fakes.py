"""Fakes of the gateway's pool and the notifier's table, on the simulated database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from gateway.commands import decision_lookup, show_partitions
from notifier.deliveries import Deliveries, NewDelivery
from notifier.reminders import ReminderChanges, Reminders
from schemas.ids import Position
from tests.simulation.database import Database
from tests.simulation.network import Network

T = TypeVar("T")


class DatabaseLink:
    """One process's connections to the database, which may be unavailable."""

    def __init__(self, network: Network, is_away: Callable[[], bool], commit_s: float) -> None:
        self._network = network
        self._is_away = is_away
        self._commit_s = commit_s

    async def connect(self) -> None:
        await self._network.call(self._check)

    async def call(self, effect: Callable[[], T], takes_s: float = 0.0) -> T:
        return await self._run(effect, self._network.faults.read_cut, takes_s)

    async def commit(self, effect: Callable[[], T]) -> T:
        return await self._run(effect, self._network.faults.commit_cut, self._commit_s)

    async def _run(self, effect: Callable[[], T], cut_chance: float, takes_s: float) -> T:
        def run() -> T:
            self._check()
            return effect()

        network = self._network
        if network.happens(cut_chance):
            cut = ConnectionError("cut off")
            return await network.call(run, takes_s=takes_s, cut=cut, cut_before=network.happens(0.3))
        return await network.call(run, takes_s=takes_s)

    def _check(self) -> None:
        if self._is_away():
            raise asyncpg.CannotConnectNowError("the database system is starting up")


class FakePool:
    """A gateway's connection pool: the two queries on the path of a booking."""

    def __init__(self, database: Database, link: DatabaseLink) -> None:
        self._database = database
        self._link = link

    async def fetchval(self, sql: str, show_id: int) -> int | None:
        assert sql == show_partitions._PARTITION_SQL, sql
        return await self._link.call(lambda: self._database.partition_of_show.get(show_id))

    async def fetch(self, sql: str, partitions: list[int], offsets: list[int]) -> list[tuple[Any, ...]]:
        assert sql == decision_lookup._DECISIONS_SQL, sql
        decisions = self._database.decisions
        return await self._link.call(
            lambda: [
                (partition, offset, row.answer)
                for partition, offset in zip(partitions, offsets, strict=True)
                if (row := decisions.get(Position(partition, offset))) is not None
            ]
        )


class FakeDeliveries(Deliveries):
    """The notifier's table: one e-mail per event and kind, and the offset in the same transaction."""

    def __init__(self, database: Database, link: DatabaseLink) -> None:
        self._database = database
        self._link = link

    async def offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        known = self._database.consumer_offsets
        return await self._link.call(lambda: {p: known[p] for p in partitions if p in known})

    async def record(
        self,
        new: Sequence[NewDelivery],
        next_offsets: Mapping[int, int],
        also: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        def write() -> None:
            if also is not None:
                _run_at_once(also(None))
            for one in new:
                self._database.deliveries.setdefault((one.event_id, one.kind), one.booking_id)
            for partition, offset in next_offsets.items():
                old = self._database.consumer_offsets.get(partition, 0)
                self._database.consumer_offsets[partition] = max(old, offset)

        await self._link.call(write)


class FakeReminders(Reminders):
    """The notifier's table of reminders: one for each confirmed booking of an account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, connection: Any, changes: ReminderChanges) -> None:
        self._database.reminders |= {booking_id for booking_id, *_ in changes.confirmed}
        self._database.reminders -= set(changes.cancelled)


def _run_at_once(writing: Awaitable[None]) -> None:
    """Runs a coroutine that waits for nothing, as part of a transaction."""
    for _ in writing.__await__():
        raise AssertionError("a transaction of the simulated database waits for nothing")
