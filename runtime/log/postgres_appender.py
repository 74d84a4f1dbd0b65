"""Appending to the log in PostgreSQL: all pending records in one statement, one statement at a time.

The next batch collects while a statement runs, so batches grow with the load.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import structlog

from runtime.backends import Backend
from runtime.log import MAX_BODY_BYTES, LogUnavailable, WrongLog
from runtime.postgres import UNAVAILABLE

MAX_BATCH_RECORDS = 2_000
MAX_PENDING_RECORDS = 20_000
MAX_PENDING_BYTES = 64 * 2**20
PAUSE_S = 0.2
"""After a failed attempt to connect, appends are rejected for this time."""

APPEND = "SELECT append_records_v1($1, $2, $3, $4, $5, $6, $7)"
PARTITIONS = "SELECT partition FROM log_heads WHERE topic = $1"

logger = structlog.get_logger()

Call = tuple[Sequence[tuple[int, bytes]], "asyncio.Future[Any]", bool]
"""Records, the future of their offsets, and True when it is the offset of a single record."""


class PostgresAppender:
    """Appends to one topic over its own connection, and reconnects when it is lost."""

    def __init__(
        self, connect: Callable[[str], Awaitable[asyncpg.Connection]], topic: str, *, notify: bool
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._notify = notify
        """True where a reader must be woken at once: NOTIFY serialises the commits of a database."""
        self._connection: asyncpg.Connection | None = None
        self._append: Any = None
        self._partitions: frozenset[int] = frozenset()
        self._pause_until = 0.0
        self._server = Backend("postgres", f"append_{topic.rpartition('.')[2]}")
        self._calls: deque[Call] = deque()
        self._pending_records = 0
        self._pending_bytes = 0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._wakeup = self._loop.create_future()
        self._task = self._loop.create_task(self._run(), name=f"append to {topic}")

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        return self._take(((partition, body),), len(body), one=True)

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        if not records:
            return []
        offsets: list[int] = await self._take(records, sum([len(body) for _, body in records]), one=False)
        return offsets

    async def close(self) -> None:
        self._closed = True
        self._wake()
        await self._task
        if self._connection is not None:
            await self._connection.close()

    def _take(self, records: Sequence[tuple[int, bytes]], size: int, *, one: bool) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        refusal = self._refusal(records, size)
        if refusal is not None:
            future.set_exception(refusal)
            return future
        self._calls.append((records, future, one))
        self._pending_records += len(records)
        self._pending_bytes += size
        self._wake()
        return future

    def _refusal(self, records: Sequence[tuple[int, bytes]], size: int) -> Exception | None:
        if size > MAX_BODY_BYTES and max(len(body) for _, body in records) > MAX_BODY_BYTES:
            return ValueError(f"a record has at most {MAX_BODY_BYTES} bytes")
        if self._closed:
            return LogUnavailable("the appender is closed")
        if self._pause_until and time.monotonic() < self._pause_until:
            return LogUnavailable("PostgreSQL does not answer")
        if self._calls and (
            self._pending_records + len(records) > MAX_PENDING_RECORDS
            or self._pending_bytes + size > MAX_PENDING_BYTES
        ):
            return LogUnavailable(f"{self._pending_records} records wait for the log already")
        return None

    def _wake(self) -> None:
        if not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _run(self) -> None:
        while True:
            if not self._calls:
                if self._closed:
                    return
                self._wakeup = self._loop.create_future()
                await self._wakeup
                continue
            try:
                await self._ensure_connected()
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                self._lose_connection()
                self._pause_until = time.monotonic() + PAUSE_S
                self._server.failed()
                logger.warning("log_not_reachable", topic=self._topic, error=repr(error))
                self._fail(self._next_batch(None), LogUnavailable(f"PostgreSQL does not answer: {error!r}"))
                continue
            batch = await self._with_known_partitions(self._next_batch(MAX_BATCH_RECORDS))
            if batch:
                await self._send(batch)

    async def _ensure_connected(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect(f"appends to {self._topic}")
            self._append = await self._connection.prepare(APPEND)
            await self._read_partitions()
            self._pause_until = 0.0
            self._server.works()

    async def _read_partitions(self) -> None:
        assert self._connection is not None
        rows = await self._connection.fetch(PARTITIONS, self._topic)
        self._partitions = frozenset(row["partition"] for row in rows)

    def _next_batch(self, limit: int | None) -> list[Call]:
        batch: list[Call] = []
        count = 0
        while self._calls and (limit is None or not batch or count + len(self._calls[0][0]) <= limit):
            call = self._calls.popleft()
            batch.append(call)
            count += len(call[0])
        self._pending_records -= count
        self._pending_bytes -= sum([len(body) for records, _, _ in batch for _, body in records])
        return batch

    async def _with_known_partitions(self, batch: list[Call]) -> list[Call]:
        """Returns the batch without calls for missing partitions, which must not fail the others."""
        if {partition for records, _, _ in batch for partition, _ in records} <= self._partitions:
            return batch
        try:
            await self._read_partitions()  # it may have been added since
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            self._lose_connection()
            self._fail(batch, LogUnavailable(f"PostgreSQL does not answer: {error!r}"))
            return []
        known = []
        for call in batch:
            missing = {partition for partition, _ in call[0]} - self._partitions
            if missing:
                self._fail([call], WrongLog(f"topic {self._topic} has no partition {min(missing)}"))
            else:
                known.append(call)
        return known

    async def _send(self, batch: list[Call]) -> None:
        wanted = sorted({partition for records, _, _ in batch for partition, _ in records})
        head_of = {partition: head for head, partition in enumerate(wanted)}
        counts = [0] * len(wanted)
        heads, indexes, bodies = [], [], []
        for records, _, _ in batch:
            for partition, body in records:
                head = head_of[partition]
                heads.append(head + 1)
                indexes.append(counts[head])
                counts[head] += 1
                bodies.append(body)
        try:
            first_offsets = await self._append.fetchval(
                self._topic, self._notify, wanted, counts, heads, indexes, bodies
            )
        except Exception as error:
            refused = isinstance(error, asyncpg.PostgresError) and not _breaks_connection(error)
            if not refused:
                self._lose_connection()
            self._server.failed()
            logger.warning("append_failed", topic=self._topic, records=len(bodies), error=repr(error))
            message = f"the log did not confirm an append: {error!r}"
            self._fail(batch, LogUnavailable(message, outcome_unknown=not refused))
            return
        offsets = [first_offsets[head - 1] + index for head, index in zip(heads, indexes, strict=True)]
        done = 0
        for records, future, one in batch:
            count = len(records)
            if not future.done():
                future.set_result(offsets[done] if one else offsets[done : done + count])
            done += count

    def _lose_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    @staticmethod
    def _fail(batch: list[Call], error: LogUnavailable | WrongLog) -> None:
        for _, future, _ in batch:
            if not future.done():
                future.set_exception(error)


def _breaks_connection(error: asyncpg.PostgresError) -> bool:
    """Returns True when the transaction may have been committed: 08 is a broken connection, 57 an intervention
    such as a shutdown, XX an internal error of the server."""
    return (error.sqlstate or "08")[:2] in ("08", "57", "58", "XX")
