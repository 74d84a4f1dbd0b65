"""A gateway with everything behind it, and logs of every kind, for tests that need no settings of their own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from runtime.log import Log
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.log_places import PARTITIONS, Place


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    """Yields a server on two partitions."""
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of the account 1, which is staff's."""
    async with server.client(1, "staff") as client:
        yield client


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """Returns a log of the kind that the marks `every_log…` of log_places.py ask for."""
    match request.param:
        case "postgres":
            return Place("postgres", request.getfixturevalue("database_url"))
        case "kafka":
            return Place("kafka", request.getfixturevalue("kafka_bootstrap"), f"{uuid.uuid4().hex}.")
        case _:
            return Place("memory")


@pytest.fixture
async def log(place: Place) -> AsyncIterator[Log]:
    """Yields a connection to that log, made with PARTITIONS partitions."""
    log = place.open()
    await log.create(PARTITIONS)
    yield log
    await log.close()
