"""Reading the log in PostgreSQL: one member of a group reads all partitions, the others stand by.

The reading member holds an advisory lock of its session, which is released when its connection ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from runtime.backends import Backend
from runtime.log import LogUnavailable, Member, Record, WrongLog
from runtime.postgres import UNAVAILABLE

POLL_EVERY_S = 0.25
"""Interval of polls without a notification: for records, and for the lock while standing by."""

LOOK_EVERY_S = 1.0
"""Interval of looks for partitions that were added."""

LOCK = "SELECT pg_try_advisory_lock(hashtextextended('aisle log ' || $1 || ' ' || $2, 0))"
POLL = """
SELECT r.partition, r.log_offset, r.at_ms, r.body
  FROM unnest($2::int[], $3::bigint[], $4::bigint[]) p (partition, start, since_ms)
 CROSS JOIN LATERAL (SELECT l.partition, l.log_offset, l.at_ms, l.body FROM log l
                      WHERE l.topic = $1 AND l.partition = p.partition AND l.log_offset >= p.start
                        AND l.at_ms >= p.since_ms AND l.at_ms >= $5
                      ORDER BY l.log_offset LIMIT $6) r
"""
"""Records from the offset of each partition. `since_ms` is a time before which none of them is, $5 the least of these:
the table is partitioned by time, and parts before it are not looked at, or not even opened."""
SINCE = """
SELECT h.partition,
       coalesce((SELECT l.at_ms FROM log l
                  WHERE l.topic = $1 AND l.partition = h.partition AND l.log_offset = p.start), h.last_ms) AS since_ms
  FROM unnest($2::int[], $3::bigint[]) p (partition, start)
  JOIN log_heads h ON h.topic = $1 AND h.partition = p.partition
"""
"""For offsets within the log: the time of the record at each, or a time before which the next one cannot be."""


class PostgresReader:
    """Reads one topic over its own connection. A lost connection revokes the partitions."""

    def __init__(
        self,
        connect: Callable[[str], Awaitable[asyncpg.Connection]],
        topic: str,
        group: str,
        member: Member,
        *,
        bounds: str,
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._group = group
        self._member = member
        self._bounds_query = bounds
        self._connection: asyncpg.Connection | None = None
        self._poll: Any = None
        self._locked = False
        self._positions: dict[int, int] = {}
        self._since_ms: dict[int, int] = {}
        """For each partition, a time before which no further record is: time never decreases within a partition."""
        self._unchecked: set[int] = set()
        """Partitions whose position is from the member and not yet compared with the bounds of the log."""
        self._woken = asyncio.Event()
        self._look_at_s = 0.0
        self._server = Backend("postgres", f"read_{topic.rpartition('.')[2]}")

    async def prepare(self) -> None:
        """Does nothing: connecting takes a few milliseconds."""

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        deadline = time.monotonic() + wait_s
        while True:
            self._woken.clear()
            try:
                await self._ensure_assigned()
                found = await self._read(max_records) if self._positions else {}
            except LogUnavailable:
                await self._revoke()
                raise
            except asyncpg.InterfaceError as error:  # raised by a closed connection before any await
                self._server.failed()
                self._lose_connection()
                await self._revoke()
                raise LogUnavailable(f"the connection to PostgreSQL is closed: {error}") from error
            left_s = deadline - time.monotonic()
            if found or left_s <= 0:
                return found
            try:
                async with asyncio.timeout(min(left_s, POLL_EVERY_S)):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def seek(self, partition: int, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset
            self._unchecked.add(partition)
            self._woken.set()

    @property
    def in_group(self) -> bool:
        return self._connection is not None

    async def close(self, *, leave: bool = True) -> None:
        await self._revoke()
        connection, self._connection, self._locked = self._connection, None, False
        if connection is not None:
            await connection.close()

    async def _ensure_assigned(self) -> None:
        if self._connection is None:
            self._connection = await self._guard(self._connect(f"{self._group} reads {self._topic}"))
            self._connection.add_termination_listener(self._wake)
            await self._guard(self._connection.add_listener(self._topic, self._wake))
            self._poll = await self._guard(self._connection.prepare(POLL))
            self._server.works()
        if not self._locked:
            self._locked = await self._guard(self._connection.fetchval(LOCK, self._topic, self._group))
        if self._locked and (not self._positions or time.monotonic() >= self._look_at_s):
            bounds = await self._bounds()
            if not bounds:
                raise WrongLog(f"the log has no topic {self._topic}; `aisle up` creates it")
            # An error of the member is raised to the caller; the next poll calls the member again.
            if added := sorted(bounds.keys() - self._positions.keys()):
                positions = await self._member.assigned(added)
                self._positions |= positions
                self._since_ms |= dict.fromkeys(positions, 0)
                self._unchecked |= positions.keys()
            self._look_at_s = time.monotonic() + LOOK_EVERY_S

    async def _read(self, max_records: int) -> dict[int, list[Record]]:
        if self._unchecked:
            bounds = await self._bounds()
            for partition in sorted(self._unchecked):
                self._check(partition, *bounds.get(partition, (0, 0)))
            await self._find_since(sorted(self._unchecked))
            self._unchecked.clear()
        partitions, starts = list(self._positions), list(self._positions.values())
        since_ms = [self._since_ms[partition] for partition in partitions]
        found: dict[int, list[Record]] = {}
        rows = await self._guard(
            self._poll.fetch(self._topic, partitions, starts, since_ms, min(since_ms), max_records)
        )
        for row in rows:
            record = Record._make(row)
            if record.offset != self._positions[record.partition]:
                raise WrongLog(
                    f"{self._topic}-{record.partition} goes on at offset {record.offset} instead of "
                    f"{self._positions[record.partition]}: records are missing; restore the log from a backup"
                )
            self._positions[record.partition] += 1
            self._since_ms[record.partition] = record.at_ms
            if record.partition in found:
                found[record.partition].append(record)
            else:
                found[record.partition] = [record]
        return found

    async def _find_since(self, partitions: list[int]) -> None:
        assert self._connection is not None
        starts = [self._positions[partition] for partition in partitions]
        self._since_ms.update(
            await self._guard(self._connection.fetch(SINCE, self._topic, partitions, starts))
        )

    async def _bounds(self) -> dict[int, tuple[int, int]]:
        assert self._connection is not None
        rows = await self._guard(self._connection.fetch(self._bounds_query, self._topic))
        return {row["partition"]: (row["first_offset"], row["next_offset"]) for row in rows}

    def _check(self, partition: int, first: int, end: int) -> None:
        position = self._positions[partition]
        if not first <= position <= end:
            raise WrongLog(
                f"offset {position} is outside of {self._topic}-{partition}, which has {first} to {end}"
            )

    async def _guard(self, query: Awaitable[Any]) -> Any:
        """Returns the result of a query. Any failure loses the connection and the lock."""
        try:
            return await query
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            self._server.failed()
            self._lose_connection()
            raise LogUnavailable(f"PostgreSQL does not answer: {error!r}") from error

    def _lose_connection(self) -> None:
        connection, self._connection, self._locked = self._connection, None, False
        if connection is not None:
            connection.terminate()

    async def _revoke(self) -> None:
        held, self._positions = sorted(self._positions), {}
        self._unchecked.clear()
        if held:
            await self._member.revoked(held)

    def _wake(self, *_: object) -> None:
        self._woken.set()
