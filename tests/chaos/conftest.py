"""One instance for each log, shared by the tests here; each must stop with status 0 at the end."""

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
"""Timeout of a test in seconds: the first one on a log starts an instance, which is slow on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sets the timeout of the tests in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def _instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ChaosInstance]]:
    running: dict[str, ChaosInstance] = {}
    clusters: list[KafkaCluster] = []
    # SIGTERM, as from a timeout, must also end the processes that the tests have started.
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
    """Returns an instance on each log in turn."""
    return _instances(request.param)


@pytest.fixture
def kafka_instance(_instances: Callable[[str], ChaosInstance]) -> ChaosInstance:
    """Returns the instance on three nodes of Kafka."""
    return _instances("kafka")


@pytest.fixture
def postgres_instance(_instances: Callable[[str], ChaosInstance]) -> ChaosInstance:
    """Returns the instance on embedded servers only."""
    return _instances("postgres")


@pytest.fixture
def first_user() -> int:
    """Returns the first id of a hundred customers that no other test uses."""
    return next(_users)
