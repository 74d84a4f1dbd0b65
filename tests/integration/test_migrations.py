"""Migrations against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from ops.compatibility import check
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


async def test_a_check_finds_what_a_later_release_has_removed_and_changes_nothing(empty_url: str) -> None:
    drop = Migration(3, "0003_drop.sql", "-- contract: 0002\nDROP TABLE one;")
    assert (await check(empty_url, [ONE])).line == "there are no tables yet: run `aisle migrate`"
    assert await tables(empty_url) == set()
    await migrate(empty_url, [ONE])
    before = await check(empty_url, [ONE, TWO])
    assert (before.may_run, before.tables) == (False, "0001_one.sql")
    await migrate(empty_url, [ONE, TWO])
    assert (await check(empty_url, [ONE])).may_run
    await migrate(empty_url, [ONE, TWO, drop])
    assert not (await check(empty_url, [ONE])).may_run
    assert (await check(empty_url, [ONE, TWO])).may_run
    assert (await check(empty_url, [ONE, TWO, drop])).may_run


async def test_contracts_are_stored_beside_migrations_of_an_earlier_release(empty_url: str) -> None:
    """Its table of migrations has no column for them."""
    connection = await asyncpg.connect(empty_url)
    await connection.execute(
        "CREATE TABLE schema_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    await connection.execute(
        "INSERT INTO schema_migrations VALUES ($1, $2, $3)", ONE.number, ONE.name, ONE.checksum
    )
    assert (await check(empty_url, [ONE])).may_run
    contract = Migration(2, "0002_two.sql", "-- contract: 0002\nSELECT 1;")
    assert await migrate(empty_url, [ONE, contract]) == ["0002_two.sql"]
    assert await migrate(empty_url, [ONE, contract]) == []
    rows = await connection.fetch("SELECT number, contract FROM schema_migrations ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, 0), (2, 2)]
    await connection.close()


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_has_a_status_and_one_line(database_url: str, as_json: bool) -> None:
    def check_command() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops", "migrate", "--check", *(["--json"] if as_json else [])],
            env=os.environ | {"AISLE_DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    async def sql(statement: str) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(statement)
        await connection.close()

    good = check_command()
    asyncio.run(
        sql("INSERT INTO schema_migrations (number, name, checksum, contract) VALUES (9000, 'x', '', 9000)")
    )
    bad = check_command()
    assert (good.returncode, bad.returncode) == (0, 1)
    if as_json:
        assert [msgspec.json.decode(one.stdout)["may_run"] for one in (good, bad)] == [True, False]
        assert msgspec.json.decode(bad.stdout)["tables"] == "x"
    else:
        assert good.stdout.startswith(
            "This release may run beside this database: the tables are those of this"
        )
        assert bad.stderr.startswith(
            "aisle: this release may not run beside this database: the tables are of a later"
        )
        assert (good.stdout + bad.stderr).count("\n") == 2
