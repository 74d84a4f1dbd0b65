"""Migrations against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ops.migrations import Migration, WrongMigration, migrate, read_migrations
from tests.conftest import Servers

ONE = Migration(1, "0001_one.sql", "CREATE TABLE one (n integer); INSERT INTO one VALUES (1);")
TWO = Migration(2, "0002_two.sql", "CREATE TABLE two (n integer)")


@pytest.fixture
async def empty_url(servers: Servers) -> AsyncIterator[str]:
    admin = await asyncpg.connect(servers.postgres.url_of("postgres"))
    await admin.execute("CREATE DATABASE empty")
    try:
        yield servers.postgres.url_of("empty")
    finally:
        await admin.execute("DROP DATABASE empty WITH (FORCE)")
        await admin.close()


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in rows}
    finally:
        await connection.close()


async def test_a_second_run_finds_nothing_to_do(empty_url: str) -> None:
    assert await migrate(empty_url) == [migration.name for migration in read_migrations()]
    assert await migrate(empty_url) == []


async def test_new_files_are_applied_to_a_database_that_has_the_old_ones(empty_url: str) -> None:
    await migrate(empty_url, [ONE])
    assert await migrate(empty_url, [ONE, TWO]) == ["0002_two.sql"]
    assert {"one", "two"} <= await tables(empty_url)


async def test_a_file_that_fails_leaves_nothing_behind_and_is_named(empty_url: str) -> None:
    broken = Migration(2, "0002_broken.sql", "CREATE TABLE half (n integer); SELECT 1 / 0;")
    with pytest.raises(WrongMigration, match=r"0002_broken\.sql: division by zero"):
        await migrate(empty_url, [ONE, broken])
    assert await tables(empty_url) == {"one", "schema_migrations"}
    assert await migrate(empty_url, [ONE, TWO]) == ["0002_two.sql"]


async def test_a_changed_old_file_is_refused_by_name(empty_url: str) -> None:
    await migrate(empty_url, [ONE])
    changed = Migration(1, "0001_one.sql", ONE.sql + " ")
    with pytest.raises(WrongMigration, match=r"0001_one\.sql has changed"):
        await migrate(empty_url, [changed, TWO])
    assert "two" not in await tables(empty_url)


async def test_runs_at_the_same_moment_apply_each_file_once(empty_url: str) -> None:
    names = await asyncio.gather(*(migrate(empty_url, [ONE, TWO]) for _ in range(4)))
    assert sorted(len(run) for run in names) == [0, 0, 0, 2]
