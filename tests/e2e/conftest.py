"""One instance for each log, shared by the tests here; at the end `aisle verify` must find no differences and the
instance must stop with status 0."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import RunningAisle

_users = itertools.count(1000)


@pytest.fixture(scope="session")
def aisle_on(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], RunningAisle]]:
    """Returns a function that starts an instance on a log, `postgres` or `kafka`, at its first use."""
    started: dict[str, RunningAisle] = {}

    def start(log: str) -> RunningAisle:
        if log not in started:
            settings = {"AISLE_RATE_LIMITS": "off", "AISLE_MAX_IN_FLIGHT_CUSTOMER": "10000"}
            if log == "kafka":
                settings["AISLE_KAFKA"] = request.getfixturevalue("kafka_bootstrap")
            home: Path = tmp_path_factory.mktemp(log) / "home"
            running = RunningAisle(home, settings)
            asyncio.run(running.start())
            started[log] = running
        return started[log]

    yield start
    unverified = {
        log: done for log, running in started.items() if (done := running.command("verify")).returncode
    }
    endings = {log: running.stop() for log, running in started.items()}
    assert not any(endings.values()), {log: started[log].output.read_text()[-4000:] for log in endings}
    assert not unverified, {log: done.stdout + done.stderr for log, done in unverified.items()}


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def aisle(request: pytest.FixtureRequest, aisle_on: Callable[[str], RunningAisle]) -> RunningAisle:
    """Returns an instance, on each log in turn."""
    return aisle_on(request.param)


@pytest.fixture
def laptop(aisle_on: Callable[[str], RunningAisle]) -> RunningAisle:
    """Returns an instance with embedded servers only, for tests that do not depend on the log."""
    return aisle_on("postgres")


@pytest.fixture
def new_user() -> Callable[[], int]:
    """Returns ids of customers that no other test uses."""
    return lambda: next(_users)


@pytest.fixture
async def customer(aisle: RunningAisle, new_user: Callable[[], int]) -> AsyncIterator[httpx.AsyncClient]:
    """Yields a client of a logged-in customer of `aisle`."""
    async with aisle.client(new_user()) as client:
        yield client
