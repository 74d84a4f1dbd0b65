"""One house for each log, shaken by all tests here; each has to stop in good order at the end."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.kafka.node import KafkaCluster
from tests.chaos.house import ChaosHouse
from tests.kafka_fixture import need_kafka

_users = itertools.count(20_000, 100)

TIMEOUT_S = 300
"""Of a test: the first one on a log starts a whole house, which takes its time on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder their time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def _houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ChaosHouse]]:
    running: dict[str, ChaosHouse] = {}
    clusters: list[KafkaCluster] = []
    # Whoever ends the tests with SIGTERM, as a time-out does, wants everything ended that they have started.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def start(log: str) -> ChaosHouse:
        if log not in running:
            folder = tmp_path_factory.mktemp(f"chaos-{log}")
            cluster = None
            if log == "kafka":
                need_kafka()
                cluster = KafkaCluster(folder / "kafka", nodes=3)
                clusters.append(cluster)
                cluster.start()
            house = running[log] = ChaosHouse(folder / "home", cluster)
            asyncio.run(house.start())
        return running[log]

    try:
        yield start
        endings = {log: house.stop() for log, house in running.items()}
        assert not any(endings.values()), {log: running[log].output.read_text()[-4000:] for log in endings}
    finally:
        for house in running.values():
            house.end()
        for cluster in clusters:
            cluster.kill()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def house(request: pytest.FixtureRequest, _houses: Callable[[str], ChaosHouse]) -> ChaosHouse:
    """A house on each log in turn."""
    return _houses(request.param)


@pytest.fixture
def kafka_house(_houses: Callable[[str], ChaosHouse]) -> ChaosHouse:
    """The house on three nodes of Kafka."""
    return _houses("kafka")


@pytest.fixture
def postgres_house(_houses: Callable[[str], ChaosHouse]) -> ChaosHouse:
    """The house on embedded servers alone."""
    return _houses("postgres")


@pytest.fixture
def first_user() -> int:
    """The first of a hundred customers whom no other test knows."""
    return next(_users)
