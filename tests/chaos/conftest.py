"""One instance for each log, shaken by all tests here; each has to stop in good order at the end."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.kafka.node import KafkaCluster
from tests.chaos.chaos_instance import ChaosInstance
from tests.kafka_fixture import need_kafka

_users = itertools.count(20_000, 100)

TIMEOUT_S = 300
"""Of a test: the first one on a log starts a whole instance, which takes its time on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder their time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def _instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ChaosInstance]]:
    running: dict[str, ChaosInstance] = {}
    clusters: list[KafkaCluster] = []
    # Whoever ends the tests with SIGTERM, as a time-out does, wants everything ended that they have started.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def start(log: str) -> ChaosInstance:
        if log not in running:
            folder = tmp_path_factory.mktemp(f"chaos-{log}")
            cluster = None
            if log == "kafka":
                need_kafka()
                cluster = KafkaCluster(folder / "kafka", nodes=3)
                clusters.append(cluster)
                cluster.start()
            instance = running[log] = ChaosInstance(folder / "home", cluster)
            asyncio.run(instance.start())
        return running[log]

    try:
        yield start
        endings = {log: instance.stop() for log, instance in running.items()}
        assert not any(endings.values()), {log: running[log].output.read_text()[-4000:] for log in endings}
    finally:
        for instance in running.values():
            instance.end()
        for cluster in clusters:
            cluster.kill()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def instance(request: pytest.FixtureRequest, _instances: Callable[[str], ChaosInstance]) -> ChaosInstance:
    """An instance on each log in turn."""
    return _instances(request.param)


@pytest.fixture
def kafka_instance(_instances: Callable[[str], ChaosInstance]) -> ChaosInstance:
    """The instance on three nodes of Kafka."""
    return _instances("kafka")


@pytest.fixture
def postgres_instance(_instances: Callable[[str], ChaosInstance]) -> ChaosInstance:
    """The instance on embedded servers alone."""
    return _instances("postgres")


@pytest.fixture
def first_user() -> int:
    """The first of a hundred customers whom no other test knows."""
    return next(_users)
