"""Parts of the log in PostgreSQL: made while records are appended, closed, dropped; no insert ever fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ops.migrations import migrate
from ops.retention import parts
from ops.retention.parts import DAY_MS, drop_orphans, drop_part, make_parts, parts_of
from runtime.log.postgres import PostgresLog
from runtime.process import CannotStart
from schemas.wire import COMMANDS_TOPIC
from tests.integration.log_places import Follower, read_until

NOW_MS = int(time.time() * 1000)
WEEK_MS = 7 * DAY_MS


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresLog]:
    log = PostgresLog(database_url)
    await log.create(1)
    yield log
    await log.close()


async def test_rows_of_every_time_are_taken_and_found_in_their_order(database: Any) -> None:
    """Before any part, within parts, between and after them."""
    times = [5, NOW_MS - 400 * DAY_MS, NOW_MS, NOW_MS + DAY_MS // 2]
    await _insert(database, times[:2])
    await make_parts(database, "log", NOW_MS, WEEK_MS)
    await _insert(database, times[2:], first=2)
    assert not await database.fetchval("SELECT EXISTS (SELECT FROM log_rest)")
    await _insert(database, [NOW_MS + 500 * DAY_MS], first=4)
    assert await database.fetchval("SELECT count(*) FROM log_rest") == 1
    rows = await database.fetch("SELECT log_offset FROM log WHERE topic = 't' ORDER BY log_offset")
    assert [row[0] for row in rows] == [0, 1, 2, 3, 4]


async def _insert(database: Any, times: list[int], first: int = 0) -> None:
    await database.executemany("INSERT INTO log VALUES ('t', 0, $1, $2, '')", list(enumerate(times, first)))


async def test_parts_meet_and_reach_a_width_ahead(database: Any) -> None:
    await make_parts(database, "log", NOW_MS, WEEK_MS)
    assert await make_parts(database, "log", NOW_MS, WEEK_MS) == []
    for days in (3, 30, 31, 900):  # runs at odd times, one after a long silence
        await make_parts(database, "log", NOW_MS + days * DAY_MS, WEEK_MS)
        found = await parts_of(database, "log")
        assert found[0].from_ms is None
        assert [part.to_ms for part in found[:-1]] == [part.from_ms for part in found[1:]]
        assert NOW_MS + days * DAY_MS + WEEK_MS <= found[-1].to_ms


@pytest.mark.parametrize("scanned", [20_000, 0])
async def test_a_default_part_with_rows_becomes_a_part_while_records_are_appended(
    database: Any, log: PostgresLog, scanned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at under the lock where it is small, and by a constraint of days ahead where it is large."""
    monkeypatch.setattr(parts, "_SCANNED_ROWS", scanned)
    appender = log.appender(COMMANDS_TOPIC)
    reader = log.reader(COMMANDS_TOPIC, "test", Follower())
    stop, ended = asyncio.Event(), asyncio.Event()
    count = 0

    async def append() -> None:
        nonlocal count
        while not stop.is_set():
            assert await appender.append(0, b"") == count
            count += 1

    appending = asyncio.create_task(append())
    reading = asyncio.create_task(read_until(reader, lambda found: ended.is_set() and len(found) == count))
    await asyncio.sleep(0.1)
    names = await make_parts(database, "log", NOW_MS, WEEK_MS)
    before = count
    await asyncio.sleep(0.1)
    stop.set()
    await appending
    ended.set()
    assert count > before > 0
    assert [record.offset for record in await reading] == list(range(count))
    assert await database.fetchval(f"SELECT count(*) FROM {names[0]}") == count
    assert not await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 'log_closing')"
    )
    await reader.close()
    await appender.close()


async def test_what_a_killed_run_leaves_is_removed_by_the_next(database: Any) -> None:
    await database.execute(
        f"""ALTER TABLE log_rest ADD CONSTRAINT log_closing CHECK (at_ms < {NOW_MS}) NOT VALID;
            CREATE TABLE log_until_20200101 (LIKE log_rest)"""
    )
    await drop_orphans(database, "log")
    await make_parts(database, "log", NOW_MS, WEEK_MS)
    await _insert(database, [NOW_MS + 900 * DAY_MS])
    assert not await database.fetchval("SELECT to_regclass('log_until_20200101') IS NOT NULL")


async def test_a_migration_removes_the_constraint_of_a_killed_run(database: Any, database_url: str) -> None:
    await database.execute(
        f"ALTER TABLE decisions_rest ADD CONSTRAINT decisions_closing CHECK (at_ms < {NOW_MS}) NOT VALID"
    )
    await database.execute("SELECT pg_advisory_lock($1)", parts.PRUNE_LOCK)
    await migrate(database_url)
    count = "SELECT count(*) FROM pg_constraint WHERE conname = 'decisions_closing'"
    assert await database.fetchval(count) == 1
    await database.execute("SELECT pg_advisory_unlock($1)", parts.PRUNE_LOCK)
    await migrate(database_url)
    assert await database.fetchval(count) == 0


async def test_a_closing_that_fails_leaves_no_constraint(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_SCANNED_ROWS", 0)
    await _insert(database, [NOW_MS + 900 * DAY_MS])
    with pytest.raises(CannotStart, match="log_rest has rows of a later time"):
        await make_parts(database, "log", NOW_MS, WEEK_MS)
    await _insert(database, [NOW_MS + 901 * DAY_MS], first=1)


async def test_dropping_is_not_waited_for_by_appends(database: Any, log: PostgresLog) -> None:
    await _insert(database, [5])
    await make_parts(database, "log", NOW_MS, WEEK_MS)
    [first, *others] = await parts_of(database, "log")
    reader = await asyncpg.connect(dsn=str(log._url))
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetchval("SELECT count(*) FROM log")
    dropping = asyncio.create_task(drop_part(database, "log", first))
    appender = log.appender(COMMANDS_TOPIC)
    for count in range(50):
        assert await appender.append(0, b"") == count
    assert not dropping.done()
    await transaction.rollback()
    await dropping
    assert await parts_of(database, "log") == others
    assert await database.fetchval("SELECT count(*) FROM log WHERE topic = 't'") == 0
    await appender.close()
    await reader.close()


async def test_a_dropped_beginning_of_the_log_is_outside_of_its_bounds(
    database: Any, log: PostgresLog
) -> None:
    appender = log.appender(COMMANDS_TOPIC)
    for _ in range(3):
        await appender.append(0, b"")
    await database.execute("UPDATE log SET at_ms = 5 WHERE log_offset < 2")
    await database.execute(
        f"""ALTER TABLE log DETACH PARTITION log_rest;
            CREATE TABLE log_old (LIKE log_rest INCLUDING ALL);
            ALTER TABLE log ATTACH PARTITION log_old FOR VALUES FROM (MINVALUE) TO ({NOW_MS - DAY_MS});
            WITH moved AS (DELETE FROM log_rest WHERE at_ms = 5 RETURNING *) INSERT INTO log_old SELECT * FROM moved;
            ALTER TABLE log ATTACH PARTITION log_rest DEFAULT;"""
    )
    assert await log.bounds(COMMANDS_TOPIC) == {0: (0, 3)}
    [old] = await parts_of(database, "log")
    await drop_part(database, "log", old)
    assert await log.bounds(COMMANDS_TOPIC) == {0: (2, 3)}
    reader = log.reader(COMMANDS_TOPIC, "test", Follower({0: 2}))
    assert [record.offset for record in await read_until(reader, lambda found: len(found) == 1)] == [2]
    await reader.close()
    await appender.close()


@pytest.mark.parametrize("scanned", [20_000, 0])
async def test_figures_by_day_are_added_to_and_dropped_by_the_day(
    database: Any, scanned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_SCANNED_ROWS", scanned)
    table = "report_customer_days"
    today = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()

    async def add(days_ago: int) -> None:
        await database.execute(
            """INSERT INTO report_customer_days AS t VALUES ($1, 7, 'EUR', 1, 2, 3, 0, 0, 0)
                   ON CONFLICT (day, user_id, currency) DO UPDATE SET bookings = t.bookings + excluded.bookings""",
            today - timedelta(days=days_ago),
        )

    await add(900)
    await make_parts(database, table, NOW_MS - 890 * DAY_MS, 30 * DAY_MS)
    for days_ago in (900, 500, 0, 0, -20):
        await add(days_ago)
    await make_parts(database, table, NOW_MS, 30 * DAY_MS)
    await add(0)
    read = "SELECT $1::date - day AS days_ago, bookings FROM report_customer_days ORDER BY day"
    assert [tuple(row) for row in await database.fetch(read, today)] == [(900, 2), (500, 1), (0, 3), (-20, 1)]
    [first, *others] = await parts_of(database, table)
    assert first.to_ms <= NOW_MS - 730 * DAY_MS < others[0].to_ms
    await drop_part(database, table, first)
    assert [tuple(row) for row in await database.fetch(read, today)] == [(500, 1), (0, 3), (-20, 1)]


async def test_log_time_ahead_of_the_clock_is_refused(database: Any, log: PostgresLog) -> None:
    await database.execute("UPDATE log_heads SET last_ms = $1", NOW_MS + 3 * DAY_MS)
    with pytest.raises(CannotStart, match=r"log time is .* and the clock says"):
        await make_parts(database, "log", NOW_MS, WEEK_MS)
