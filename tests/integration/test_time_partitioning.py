"""The log and the decisions become partitioned tables while records are appended and read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from ops.migrations import WrongMigration, migrate, read_migrations
from runtime.log.postgres import PostgresLog
from schemas.wire import COMMANDS_TOPIC
from tests.conftest import Servers
from tests.integration.log_places import Follower, read_until

BEFORE = [migration for migration in read_migrations() if migration.number < 17]
"""Those of the release before."""

OLD_POLL = """
SELECT r.partition, r.log_offset, r.at_ms, r.body FROM unnest($2::int[], $3::bigint[]) p (partition, start)
 CROSS JOIN LATERAL (SELECT l.partition, l.log_offset, l.at_ms, l.body FROM log l
                      WHERE l.topic = $1 AND l.partition = p.partition AND l.log_offset >= p.start
                      ORDER BY l.log_offset LIMIT $4) r"""
"""As the release before reads."""


@pytest.fixture
async def old_url(servers: Servers) -> AsyncIterator[str]:
    name = f"old_{uuid4().hex}"
    admin = await asyncpg.connect(servers.postgres.url_of("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        url = servers.postgres.url_of(name)
        await migrate(url, BEFORE)
        yield url
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def test_appends_and_reads_go_on_while_the_tables_are_partitioned(old_url: str) -> None:
    log = PostgresLog(old_url)
    await log.create(2)
    appender = log.appender(COMMANDS_TOPIC)
    old_reader = await asyncpg.connect(old_url)
    poll = await old_reader.prepare(OLD_POLL)
    migrated = asyncio.Event()
    count = 0

    async def append() -> None:
        nonlocal count
        enough = 0
        while enough < 20:
            assert await appender.append(count % 2, b"%d" % count) == count // 2
            rows = await poll.fetch(COMMANDS_TOPIC, [0, 1], [0, 0], 100_000)
            count += 1
            assert len(rows) == count
            enough += migrated.is_set()

    appending = asyncio.create_task(append())
    long_reader = await asyncpg.connect(old_url)
    async with long_reader.transaction():  # longer than the migration waits for its lock at once
        await long_reader.fetchval("SELECT count(*) FROM log")
        migrating = asyncio.create_task(migrate(old_url))
        await asyncio.sleep(1.2)
        assert not migrating.done()
        at_first = count
    await migrating
    migrated.set()
    await appending
    assert at_first > 0
    reader = log.reader(COMMANDS_TOPIC, "test", Follower())
    records = await read_until(reader, lambda found: len(found) == count)
    assert sorted(int(record.body) for record in records) == list(range(count))
    for closing in (reader, appender, log, old_reader, long_reader):
        await closing.close()


async def test_a_migration_that_gets_no_lock_changes_nothing_and_says_why(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.migrations._LOCKED_S", 1.0)
    reader = await asyncpg.connect(old_url)
    async with reader.transaction():
        await reader.fetchval("SELECT count(*) FROM decisions")
        with pytest.raises(WrongMigration, match=r"0018_decisions_by_time\.sql: a long query keeps a table"):
            await migrate(old_url)
        assert await reader.fetchval("SELECT relkind = 'r' FROM pg_class WHERE relname = 'decisions'")
    await reader.close()
    assert "0018_decisions_by_time.sql" in await migrate(old_url)


async def test_an_idle_partition_is_read_from_a_time_without_gaps(database_url: str) -> None:
    """Records before the time of the reader's position are not looked for; none after it is missed."""
    log = PostgresLog(database_url)
    await log.create(2)
    database = await asyncpg.connect(database_url)
    await database.execute(
        """CREATE TABLE log_old (LIKE log_rest INCLUDING ALL);
           ALTER TABLE log ATTACH PARTITION log_old FOR VALUES FROM (MINVALUE) TO (1000);
           INSERT INTO log SELECT $t$aisle.commands$t$, 0, n, n, 'old' FROM generate_series(0, 9) n;
           UPDATE log_heads SET next_offset = 10, last_ms = 9
            WHERE topic = 'aisle.commands' AND partition = 0"""
    )
    reader = log.reader(COMMANDS_TOPIC, "test", Follower({0: 4}))
    first = await read_until(reader, lambda found: len(found) == 6)
    assert [record.offset for record in first] == [4, 5, 6, 7, 8, 9]
    appender = log.appender(COMMANDS_TOPIC)
    assert [await appender.append(partition, b"new") for partition in (0, 1)] == [10, 0]
    assert len(await read_until(reader, lambda found: len(found) == 2)) == 2
    reader.seek(0, 2)
    again = await read_until(reader, lambda found: len(found) == 9)
    assert [record.offset for record in again] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    for closing in (reader, appender, log, database):
        await closing.close()
