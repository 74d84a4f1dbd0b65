"""The log in PostgreSQL: the embedded default, one durable store to run and to back up.

schemas/sql/0004_log.sql has the tables, 0008_lighter_commits.sql the function that appends. Appenders and
readers have their own connections, so that a long read or a lock never blocks an append.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from runtime.log import LogIdentity, LogUnavailable, Member, Record, WrongLog
from runtime.log.postgres_appender import PostgresAppender
from runtime.log.postgres_reader import PostgresReader
from runtime.postgres import UNAVAILABLE, open_connection
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC

CONNECT_S = 5.0
STATEMENT_S = 10.0
"""Timeout of a statement; the connection counts as lost after it."""

SILENCE_S = 5.0
"""Idle timeout of a reader's session. A working reader sends several queries a second; PostgreSQL ends the session of
one that hangs, so that its lock is free for a standby."""

SESSION = {
    "synchronous_commit": "on",  # an append is answered only when it is durable
    "statement_timeout": str(int(STATEMENT_S * 1000)),
    # The lock of a reader whose machine has failed is released after about ten seconds.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "jit": "off",
    # A plan made while the log was small must not be kept when it has grown.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    # Heads are locked in the order of the arguments, and batches use a cached plan.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}

CREATE = """
WITH made AS (
    INSERT INTO log_topics (topic) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING RETURNING topic
)
INSERT INTO log_heads (topic, partition) SELECT topic, n FROM made, generate_series(0, $2::int - 1) n
"""
ADD_PARTITIONS = """
INSERT INTO log_heads (topic, partition)
SELECT topic, n FROM log_topics, generate_series(0, $2::int - 1) n WHERE topic = ANY ($1)
    ON CONFLICT DO NOTHING
"""
IDENTITY = "SELECT topic, topic_id::text FROM log_topics WHERE topic = ANY ($1) ORDER BY topic"
BOUNDS = """
SELECT h.partition, h.next_offset,
       coalesce((SELECT min(l.log_offset) FROM log l WHERE l.topic = h.topic AND l.partition = h.partition),
                h.next_offset) AS first_offset
  FROM log_heads h WHERE h.topic = $1 ORDER BY h.partition
"""
READ = """
SELECT partition, log_offset, at_ms, body FROM log
 WHERE topic = $1 AND partition = $2 AND log_offset >= $3 ORDER BY log_offset LIMIT $4
"""


class PostgresLog:
    """The log in one database."""

    outlives_database = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def identity(self) -> LogIdentity:
        rows = await self._query(
            lambda connection: connection.fetch(IDENTITY, [COMMANDS_TOPIC, EVENTS_TOPIC])
        )
        if len(rows) < 2:
            raise WrongLog("the log in this database has not been created yet; `aisle up` creates it")
        topics = " ".join(f"{topic}={topic_id}" for topic, topic_id in rows)
        return LogIdentity(kind="postgres", cluster="the database itself", topic=topics)

    async def create(self, partitions: int) -> None:
        topics = [COMMANDS_TOPIC, EVENTS_TOPIC]
        await self._query(lambda connection: connection.execute(CREATE, topics, partitions))

    async def add_partitions(self, total: int) -> None:
        topics = [COMMANDS_TOPIC, EVENTS_TOPIC]
        await self._query(lambda connection: connection.execute(ADD_PARTITIONS, topics, total))

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        rows = await self._query(lambda connection: connection.fetch(BOUNDS, topic))
        return {row["partition"]: (row["first_offset"], row["next_offset"]) for row in rows}

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        rows = await self._query(lambda connection: connection.fetch(READ, topic, partition, start, limit))
        records = [Record._make(row) for row in rows]
        if not records or records[0].offset != start:
            first, end = (await self.bounds(topic)).get(partition, (0, 0))
            if not first <= start <= end:
                raise WrongLog(
                    f"offset {start} is outside of {topic}-{partition}, which has {first} to {end}"
                )
        return records

    def appender(self, topic: str) -> PostgresAppender:
        return PostgresAppender(self._connect, topic, notify=topic == COMMANDS_TOPIC)

    def reader(self, topic: str, group: str, member: Member) -> PostgresReader:
        return PostgresReader(self._connect_reader, topic, group, member, bounds=BOUNDS)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self, purpose: str, **settings: str) -> asyncpg.Connection:
        return await open_connection(
            self._url,
            timeout=CONNECT_S,
            command_timeout=STATEMENT_S,
            server_settings=SESSION | {"application_name": f"aisle log, {purpose}"} | settings,
        )

    async def _connect_reader(self, purpose: str) -> asyncpg.Connection:
        return await self._connect(purpose, idle_session_timeout=str(int(SILENCE_S * 1000)))

    async def _query(self, query: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        async with self._one_at_a_time:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect("look-ups")
                return await query(self._connection)
            except asyncpg.UndefinedTableError:
                raise WrongLog("the database has no tables for the log; run `aisle migrate` first") from None
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                raise LogUnavailable(f"PostgreSQL does not answer: {error!r}") from error
