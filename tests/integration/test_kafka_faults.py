"""Faults of Kafka that its clients must survive without a restart: brokers that move, forgotten producers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from aiokafka import TopicPartition

from ops.kafka.node import KafkaNode, free_ports
from runtime.log import Appender, Log, LogUnavailable, Reader, Record
from runtime.log.kafka import KafkaLog
from runtime.log.kafka_appender import KafkaAppender
from schemas.wire import COMMANDS_TOPIC
from tests.integration.log_places import Follower, read_until
from tests.integration.tcp_relay import Target, moving_relay, silent_host
from tests.kafka_fixture import start_node

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

TOPIC = COMMANDS_TOPIC
FOUND_WITHIN_S = 60
"""The promise to operators: brokers are found again within a minute."""
FORGOTTEN_AFTER_S = 2.5
"""Longer than the node below remembers a producer, and than the interval of its checks."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """Yields a node that forgets producers after a second of silence."""
    node = start_node(
        tmp_path_factory.mktemp("kafka"),
        producer_id_expiration_ms=1_000,
        producer_id_expiration_check_interval_ms=200,
    )
    yield node
    node.kill()


@pytest.fixture
async def log(node: KafkaNode) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(node.address, prefix=f"{uuid.uuid4().hex}.")
    await log.create(2)
    yield log
    await log.close()


@pytest.mark.parametrize("old", ["refuses", "is silent"])
async def test_brokers_that_come_back_under_other_addresses_are_found(node: KafkaNode, old: str) -> None:
    target = Target(node.ports.clients)
    async with moving_relay(target) as port, AsyncExitStack() as hosts:
        log = KafkaLog(f"127.0.0.1:{port}", prefix=f"{uuid.uuid4().hex}.")
        await log.create(2)
        identity = await log.identity()
        appender = log.appender(TOPIC)
        reader = log.reader(TOPIC, "readers", Follower())
        await appender.append(0, b"before")
        await read_until(reader, lambda records: len(records) == 1)
        assert (await log.bounds(TOPIC))[0] == (0, 1)

        await asyncio.to_thread(node.stop)
        if old == "is silent":
            await hosts.enter_async_context(silent_host(node.ports.clients))
        node.ports = node.ports._replace(clients=free_ports(1)[0].clients)
        node.spawn()
        await asyncio.to_thread(node.wait_ready)
        target.port = node.ports.clients

        try:
            async with asyncio.timeout(FOUND_WITHIN_S):
                _, _, found = await asyncio.gather(
                    _append_until_taken(appender, b"after"), _asked_until_answered(log), _read_one(reader)
                )
            assert found.body == b"after"
            assert found in await log.read(TOPIC, 0, 0, 10)
            assert await log.identity() == identity
        finally:
            await reader.close()
            await appender.close()
            await log.close()


async def test_a_producer_that_the_broker_has_forgotten_goes_on(log: KafkaLog) -> None:
    appender = log.appender(TOPIC)
    for n in range(3):
        assert await appender.append(0, b"%d" % n) == n
    await asyncio.sleep(FORGOTTEN_AFTER_S)
    # A broker that remembers the producer refuses a number that is not the next one.
    skip_sequence_numbers(appender, 7)
    assert await appender.append(0, b"3") == 3
    skip_sequence_numbers(appender, 7)
    with pytest.raises(LogUnavailable) as lost:
        await appender.append(0, b"lost")
    assert lost.value.outcome_unknown
    assert await appender.append(0, b"4") == 4
    await appender.close()


async def test_a_producer_with_an_old_epoch_is_replaced(log: KafkaLog) -> None:
    appender = log.appender(TOPIC)
    await appender.append(0, b"0")
    raise_epoch(appender, 1)
    await appender.append(1, b"0")  # the first record of a partition with this epoch
    raise_epoch(appender, -1)
    with pytest.raises(LogUnavailable) as lost:
        await appender.append(1, b"lost")
    assert lost.value.outcome_unknown
    assert [await appender.append(partition, b"1") for partition in (0, 1)] == [1, 1]
    await appender.close()


async def _append_until_taken(appender: Appender, body: bytes) -> None:
    while True:
        try:
            await appender.append(0, body)
        except LogUnavailable:
            await asyncio.sleep(0.1)
        else:
            return


async def _asked_until_answered(log: Log) -> None:
    """Asks as health checks do: each time for at most two seconds."""
    while True:
        try:
            async with asyncio.timeout(2):
                await log.bounds(TOPIC)
        except (LogUnavailable, TimeoutError):
            await asyncio.sleep(0.1)
        else:
            return


async def _read_one(reader: Reader) -> Record:
    while True:
        try:
            for records in (await reader.poll(max_records=10, wait_s=0.2)).values():
                for record in records:
                    if record.body == b"after":
                        return record
        except LogUnavailable:
            await asyncio.sleep(0.1)


def skip_sequence_numbers(appender: KafkaAppender, count: int) -> None:
    assert appender._producer is not None
    appender._producer._txn_manager.increment_sequence_number(TopicPartition(appender._name, 0), count)


def raise_epoch(appender: KafkaAppender, count: int) -> None:
    assert appender._producer is not None
    transactions = appender._producer._txn_manager
    own = transactions._pid_and_epoch
    transactions._pid_and_epoch = type(own)(own.pid, own.epoch + count)
