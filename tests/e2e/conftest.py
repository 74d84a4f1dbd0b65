"""One whole Aisle for each log, shared by the tests here; at the end its books have to be right (`aisle verify`)
and it has to stop in good order."""

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
    """Starts Aisle on a log, `postgres` or `kafka`, when it is first asked for."""
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
    """Aisle, on each log in turn."""
    return aisle_on(request.param)


@pytest.fixture
def laptop(aisle_on: Callable[[str], RunningAisle]) -> RunningAisle:
    """Aisle with embedded parts only, for what does not depend on the log."""
    return aisle_on("postgres")


@pytest.fixture
def new_user() -> Callable[[], int]:
    """Numbers of customers that no other test uses."""
    return lambda: next(_users)


@pytest.fixture
async def customer(aisle: RunningAisle, new_user: Callable[[], int]) -> AsyncIterator[httpx.AsyncClient]:
    """A customer of `aisle`, logged in."""
    async with aisle.client(new_user()) as client:
        yield client
