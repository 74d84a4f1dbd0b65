"""Real servers for the tests: PostgreSQL and Redis, started once per run, or those of `make servers`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import hypothesis
import msgspec
import pytest
import redis.asyncio
import structlog

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.migrations import migrate, read_migrations
from runtime.settings import Settings, read_settings
from tests import running_servers

TICKET_KEYS = json.dumps(
    [{"kid": "test", "alg": "EdDSA", "key": base64.urlsafe_b64encode(b"t" * 32).decode()}]
)

pytest_plugins = ["tests.kafka_fixture"]

# No deadline anywhere: on a busy machine it fails tests of what is slow, not of what is wrong.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=10_000, deadline=None)
hypothesis.settings.register_profile("quick", max_examples=50, deadline=None)
hypothesis.settings.register_profile(
    "mutation",  # the same examples in every run, and no time spent on shrinking
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)

hypothesis.settings.load_profile("default")

if "AISLE_TEST_KAFKA" not in os.environ and (address := running_servers.kafka_address()) is not None:
    os.environ["AISLE_TEST_KAFKA"] = address


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Undoes the configuration of logs by commands that a test runs in its own process."""
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


class Servers(NamedTuple):
    """The shared servers of the tests."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    running = Servers(running_servers.postgres(), running_servers.redis())
    if all(server.is_ready() for server in running):
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as home:
        fresh = Servers(EmbeddedPostgres(Path(home)), EmbeddedRedis(Path(home)))
        with run_servers(*fresh):
            yield fresh


@pytest.fixture(scope="session")
def template() -> str:
    """Returns the name of the migrated template database, one per set of migrations."""
    sql = "".join(migration.sql for migration in read_migrations())
    return f"template_{hashlib.sha256(sql.encode()).hexdigest()[:16]}"


@pytest.fixture
async def database_url(servers: Servers, template: str) -> AsyncIterator[str]:
    """Yields the URL of a migrated database, dropped afterwards even with open connections."""
    admin = await asyncpg.connect(servers.postgres.url_of("postgres"))
    name = f"test_{uuid.uuid4().hex}"
    try:
        if not await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", template):
            await admin.execute(f"CREATE DATABASE {name}")
            await migrate(servers.postgres.url_of(name))
            await admin.execute(f"ALTER DATABASE {name} RENAME TO {template}")
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        try:
            yield servers.postgres.url_of(name)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Yields a connection to the test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def redis_url(servers: Servers) -> str:
    """Yields an empty Redis. Its channels are shared by all databases, so one test uses it at a time."""
    async with redis.asyncio.Redis.from_url(servers.redis.url) as client:
        await client.flushall()
    return servers.redis.url


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Returns a factory of settings: `settings(partitions=2, database_url=database_url)`."""

    def make(**changes: Any) -> Settings:
        defaults = read_settings(
            {"AISLE_HOME": os.fspath(tmp_path / "home"), "AISLE_TICKET_KEYS": TICKET_KEYS}
        )
        return msgspec.structs.replace(defaults, **changes)

    return make
