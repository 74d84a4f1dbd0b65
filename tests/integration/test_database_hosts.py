"""AISLE_DATABASE_URL against real servers: several hosts, passwords of any characters, and options."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from runtime import postgres
from runtime.log import WrongLog
from runtime.log.postgres import PostgresLog
from runtime.postgres import DatabaseUnavailable
from runtime.settings import read_settings
from tests.conftest import Servers
from tests.e2e.running import RunningAisle, free_port
from tests.integration.tcp_relay import relay, silent_host

USER = "box office: ada"
FILED = "#a/s@s?w%o[r]d é℀"
PASSWORD = "p#a/s@s?w%o[r]d é℀:+& ß"


def read(url: str) -> str:
    found = read_settings({"AISLE_DATABASE_URL": url}).database_url
    assert found is not None
    return found


@pytest.fixture(scope="module")
def other() -> Iterator[EmbeddedPostgres]:
    """A second server. It takes no writes, and asks USER for a password."""
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as home:
        server = EmbeddedPostgres(Path(home))
        with run_servers(server):
            asyncio.run(_prepare(server))
            yield server


async def _prepare(server: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"""CREATE ROLE "{USER}" LOGIN PASSWORD '{PASSWORD}'""")
    await admin.execute(f"CREATE ROLE ada LOGIN PASSWORD '{FILED}'")
    await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    rules = server.data / "pg_hba.conf"
    rules.write_text(f'local all "{USER}",ada scram-sha-256\n' + rules.read_text())
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()


async def _create_database(server: EmbeddedPostgres, name: str) -> None:
    admin = await asyncpg.connect(server.url, server_settings={"default_transaction_read_only": "off"})
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()


@pytest.fixture
async def standby(other: EmbeddedPostgres) -> AsyncIterator[int]:
    async with relay(other.sockets / ".s.PGSQL.5432") as port:
        yield port


@pytest.fixture
async def primary(servers: Servers) -> AsyncIterator[int]:
    async with relay(servers.postgres.sockets / ".s.PGSQL.5432") as port:
        yield port


@pytest.fixture
def database_name(database_url: str) -> str:
    return urlsplit(database_url).path[1:]


@pytest.mark.parametrize("words", ["", "?target_session_attrs=read-write", "?sslmode=prefer"])
async def test_every_kind_of_connection_finds_the_primary(
    database_name: str, primary: int, standby: int, other: EmbeddedPostgres, words: str
) -> None:
    await _create_database(other, database_name)
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{standby},127.0.0.1:{primary}"
    url = read(f"postgresql+asyncpg://aisle@{hosts}/{database_name}{words}")

    one = await postgres.connect(url, "one")
    await one.execute("CREATE TABLE written (n int)")
    await one.close()

    pool = await postgres.create_pool(url, "pool", min_size=2, max_size=3)
    await pool.execute("INSERT INTO written VALUES (1)")
    assert await pool.fetchval("SHOW transaction_read_only") == "off"
    await pool.close()

    log = PostgresLog(url)
    with pytest.raises(WrongLog, match="has not been created yet"):  # the other has no tables for it
        await log.identity()
    await log.close()


async def test_a_host_that_is_silent_costs_a_share_of_the_time_and_only_once(
    database_name: str, primary: int
) -> None:
    async with silent_host() as silent:
        url = read(f"postgresql://aisle@127.0.0.1:{silent},127.0.0.1:{primary}/{database_name}")
        first = await postgres.open_connection(url, timeout=4)
        await first.close()
        started = time.monotonic()
        again = await postgres.open_connection(url, timeout=40)
        assert time.monotonic() - started < 15, "the silent host was not asked again, for 20 s"
        await again.close()


async def test_hosts_without_a_primary_are_retried_and_named(
    standby: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "START_S", 0.5)
    url = read(f"postgresql://aisle:hunter2@127.0.0.1:{standby},127.0.0.1:{free_port()}/aisle")
    with pytest.raises(DatabaseUnavailable, match="does not answer") as refusal:
        await postgres.connect(url, "one")
    assert f"127.0.0.1:{standby}" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("over", ["tcp", "socket", "socket in the host"])
async def test_a_password_of_any_characters_is_the_one_that_the_server_gets(
    other: EmbeddedPostgres, standby: int, over: str
) -> None:
    folder = quote(os.fspath(other.sockets), safe="")
    hosts = {"tcp": f"127.0.0.1:{standby}/aisle", "socket": f"/aisle?host={folder}"}
    place = hosts.get(over, f"{folder}/aisle")
    url = read(f"postgresql://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@{place}")
    connection = await postgres.connect(url, "one")
    assert await connection.fetchval("SELECT current_user") == USER
    await connection.close()

    wrong = read(f"postgresql://{quote(USER, safe='')}:hunter2@{place}")
    with pytest.raises(DatabaseUnavailable, match="refuses the connection") as refusal:
        await postgres.connect(wrong, "one")
    assert "hunter2" not in str(refusal.value)


async def test_options_and_files_of_passwords_reach_the_server(
    other: EmbeddedPostgres, tmp_path: Path
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:ada:{FILED}\n")
    file.chmod(0o600)
    folder = quote(os.fspath(other.sockets), safe="")
    options = quote("-c work_mem=7MB -c search_path=box", safe="")
    url = read(f"postgresql://ada@{folder}/aisle?options={options}&passfile={quote(os.fspath(file))}")
    connection = await postgres.connect(url, "one")
    assert await connection.fetchval("SHOW work_mem") == "7MB"
    assert await connection.fetchval("SHOW application_name") == "one"
    await connection.close()


async def test_psql_takes_the_same_url_and_keeps_the_password_off_its_command_line(
    other: EmbeddedPostgres, standby: int, tmp_path: Path
) -> None:
    userinfo = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    url = (
        f"postgresql://{userinfo}@127.0.0.1:{free_port()},127.0.0.1:{standby}/aisle?target_session_attrs=any"
    )
    for given in (url, f"postgresql://{userinfo}@127.0.0.1:{standby}/aisle?sslmode=prefer"):
        running = RunningAisle(tmp_path / "home", {"AISLE_DATABASE_URL": given})
        psql = ("psql", "-Atc", "SELECT current_user", "-c", "\\! tr '\\0' ' ' </proc/$PPID/cmdline")
        done = await asyncio.to_thread(running.command, *psql)
        if given == url:
            assert "could not" in done.stderr or "read-only" in done.stderr, (
                "of several, it wants the primary"
            )
        else:
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(f"{USER}\n")
            assert "psql" in done.stdout
        for text in (done.stdout, done.stderr):
            assert PASSWORD not in text
            assert quote(PASSWORD, safe="") not in text
