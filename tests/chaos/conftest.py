"""One house for each log, shaken by all tests here; each has to stop in good order at the end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from ops.kafka import KafkaCluster
from tests.chaos.house import ChaosHouse
from tests.kafka_fixture import need_kafka

_users = itertools.count(20_000, 100)


@pytest.fixture(scope="session")
def _houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ChaosHouse]]:
    running: dict[str, ChaosHouse] = {}
    clusters: list[KafkaCluster] = []

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
            if house.process is not None and house.process.poll() is None:
                house.process.kill()
                house.process.wait()
        for cluster in clusters:
            cluster.kill()


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
