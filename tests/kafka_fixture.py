"""A real Kafka for the tests: one node, started once per run, or the one of AISLE_TEST_KAFKA."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from ops.kafka.jars import missing_program
from ops.kafka.node import KafkaNode, free_ports
from runtime.log.kafka_topics import describe
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Returns `host:port` of a Kafka. Tests use their own prefix for topics and groups, or `fresh_kafka`."""
    if (address := os.environ.get("AISLE_TEST_KAFKA")) is not None:
        yield address
        return
    node = start_node(tmp_path_factory.mktemp("kafka"))
    yield node.address
    node.kill()


@pytest.fixture
def fresh_kafka(kafka_bootstrap: str) -> str:
    """Yields a Kafka without Aisle's topics, for tests with the real names, one at a time."""
    asyncio.run(_delete_topics(kafka_bootstrap))
    return kafka_bootstrap


def start_node(folder: Path, **settings: object) -> KafkaNode:
    """Yields a node for one test, on free ports; includes `need_kafka`. `settings`: with `_` for each dot."""
    need_kafka()
    named = {name.replace("_", "."): value for name, value in settings.items()}
    node = KafkaNode(folder, free_ports(1)[0], settings=named)
    node.start()
    return node


def need_kafka() -> None:
    """Skips the test without Java or Maven; with CI=true it fails."""
    if (missing := missing_program()) is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


async def _delete_topics(bootstrap: str) -> None:
    topics = [COMMANDS_TOPIC, EVENTS_TOPIC]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(topics)
        deadline = time.monotonic() + 10
        while (await describe(admin, topics)).topics:
            assert time.monotonic() < deadline, "Kafka does not delete Aisle's topics"
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
