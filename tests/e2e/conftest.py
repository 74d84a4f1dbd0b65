"""One instance for each log, shared by the tests here; at the end `aisle verify` must find no differences and the
instance must stop with status 0."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import RunningAisle

_users = itertools.count(1000)


@pytest.fixture(scope="session")
def aisle_on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAisle]:
    """Yields the instance with the log in PostgreSQL."""
    yield from _instance(tmp_path_factory.mktemp("postgres"), {})


@pytest.fixture(scope="session")
def aisle_on_kafka(tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str) -> Iterator[RunningAisle]:
    """Yields the instance with the log on Kafka, which ends after it."""
    yield from _instance(tmp_path_factory.mktemp("kafka"), {"AISLE_KAFKA": kafka_bootstrap})


def _instance(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningAisle]:
    running = RunningAisle(
        folder / "home", {"AISLE_RATE_LIMITS": "off", "AISLE_MAX_IN_FLIGHT_CUSTOMER": "10000", **settings}
    )
    asyncio.run(running.start())
    yield running
    verified = running.command("verify")
    ended = running.stop()
    assert not ended, running.output.read_text()[-4000:]
    assert not verified.returncode, verified.stdout + verified.stderr


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def aisle(request: pytest.FixtureRequest) -> RunningAisle:
    """Returns an instance, on each log in turn."""
    instance: RunningAisle = request.getfixturevalue(f"aisle_on_{request.param}")
    return instance


@pytest.fixture
def laptop(aisle_on_postgres: RunningAisle) -> RunningAisle:
    """Returns an instance with embedded servers only, for tests that do not depend on the log."""
    return aisle_on_postgres


@pytest.fixture
def new_user() -> Callable[[], int]:
    """Returns ids of customers that no other test uses."""
    return lambda: next(_users)


@pytest.fixture
async def customer(aisle: RunningAisle, new_user: Callable[[], int]) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of a logged-in customer of `aisle`."""
    async with aisle.client(new_user()) as client:
        yield client
