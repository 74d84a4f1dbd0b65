"""A real Kafka for the tests: one node, started once for a run, or the one that AISLE_TEST_KAFKA names."""

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
    """`host:port` of a Kafka. Tests take a prefix of their own for topics and groups, or `fresh_kafka`."""
    if (kept_up := os.environ.get("AISLE_TEST_KAFKA")) is not None:
        yield kept_up
        return
    node = start_node(tmp_path_factory.mktemp("kafka"))
    yield node.address
    node.kill()


@pytest.fixture
def fresh_kafka(kafka_bootstrap: str) -> str:
    """A Kafka without Aisle's topics, for what runs under their real names, one test at a time."""
    asyncio.run(_delete_topics(kafka_bootstrap))
    return kafka_bootstrap


def start_node(folder: Path) -> KafkaNode:
    """A node of its own, on free ports; `need_kafka` included."""
    need_kafka()
    node = KafkaNode(folder, free_ports(1)[0])
    node.start()
    return node


def need_kafka() -> None:
    """Skips the test where Java or Maven are missing; with CI=true that is a failure."""
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
