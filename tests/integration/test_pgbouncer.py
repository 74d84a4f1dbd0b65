"""AISLE_DATABASE_URL that leads to PgBouncer: refused where it shares sessions, with what to do instead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from ops.migrations import migrate
from runtime import postgres
from runtime.log import LogUnavailable
from runtime.log.postgres import PostgresLog
from runtime.postgres import DatabaseUnavailable
from tests.conftest import Servers
from tests.e2e.running import free_port
from tests.integration.tcp_relay import relay

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
IGNORED = (
    "statement_timeout,synchronous_commit,idle_in_transaction_session_timeout,jit,options,extra_float_digits"
)

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None and os.environ.get("CI") != "true", reason="there is no pgbouncer: install it"
)


@contextlib.asynccontextmanager
async def pgbouncer(folder: Path, server_port: int, database: str, **settings: str) -> AsyncIterator[str]:
    """Runs PgBouncer in front of PostgreSQL on a port; yields the URL of the database."""
    assert PGBOUNCER is not None
    port = free_port()
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
    } | settings
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{database} = host=127.0.0.1 port={server_port} dbname={database} user=aisle\n"
        + "[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    as_root = ["-u", "nobody"] if os.geteuid() == 0 else []
    if as_root:
        for reached in (config, *config.parents[:3]):
            reached.chmod(reached.stat().st_mode | 0o055)
    process = await asyncio.create_subprocess_exec(PGBOUNCER, "-q", *as_root, str(config))
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        yield f"postgresql://aisle@127.0.0.1:{port}/{database}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def server_port(servers: Servers) -> AsyncIterator[int]:
    async with relay(Path(servers.postgres.sockets) / ".s.PGSQL.5432") as port:
        yield port


@pytest.fixture
def database_name(database_url: str) -> str:
    return urlsplit(database_url).path.removeprefix("/")


async def test_as_it_is_installed_it_is_refused_with_a_reason(
    tmp_path: Path, server_port: int, database_name: str
) -> None:
    async with pgbouncer(tmp_path, server_port, database_name, pool_mode="transaction") as url:
        with pytest.raises(
            DatabaseUnavailable, match=r"pooler that does not pass .* on .*set AISLE_DATABASE_URL"
        ):
            await postgres.connect(url, "test")
        log = PostgresLog(url)
        with pytest.raises(LogUnavailable, match="connection pooler"):
            await log.identity()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_shared_sessions_are_refused_with_a_reason(
    tmp_path: Path, server_port: int, database_name: str, mode: str
) -> None:
    settings = {"pool_mode": mode, "ignore_startup_parameters": IGNORED}
    async with pgbouncer(tmp_path, server_port, database_name, **settings) as url:
        for open_it in (
            lambda: postgres.connect(url, "test"),
            lambda: postgres.create_pool(url, "test", min_size=2, max_size=2),
            lambda: migrate(url),
        ):
            with pytest.raises(DatabaseUnavailable, match=r"pooler that shares .*set AISLE_DATABASE_URL"):
                await open_it()


async def test_sessions_without_the_settings_are_refused_with_a_reason(
    tmp_path: Path, server_port: int, database_name: str
) -> None:
    settings = {"pool_mode": "session", "ignore_startup_parameters": IGNORED}
    async with pgbouncer(tmp_path, server_port, database_name, **settings) as url:
        with pytest.raises(DatabaseUnavailable, match="does not pass the settings"):
            await postgres.connect(url, "test")
        # What asks for no settings works.
        connection = await postgres.open_connection(url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_a_relay_is_no_pooler(server_port: int, database_name: str) -> None:
    url = f"postgresql://aisle@127.0.0.1:{server_port}/{database_name}"
    connection = await postgres.connect(url, "test")
    assert await connection.fetchval("SELECT current_setting('jit')") == "off"
    await connection.close()
    assert isinstance(connection, asyncpg.Connection)
