"""aiokafka's names that are not its public interface. All are used through this module.

They may change with any release: requirements/run.in pins the version, and a test compares what is relied upon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

__all__ = [
    "AbstractType",
    "Boolean",
    "CompactArray",
    "CompactString",
    "Int16",
    "Int32",
    "Request",
    "RequestStruct",
    "Response",
    "RoundRobinPartitionAssignor",
    "Schema",
    "StickyPartitionAssignor",
    "TaggedFields",
    "bootstrap_again",
    "check_group_errors",
    "fail_unsent",
    "leave_group_at_stop",
    "partitions_of",
    "request_partitions",
    "send_request",
    "watch_partitions",
]

UPDATE_S = 10.0
"""Timeout for all known brokers to answer a request for metadata."""


def bootstrap_again(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Makes a client bootstrap again when no broker that it knows answers. Call it before `start`.

    aiokafka keeps to the addresses that it has learned, for ever, when all brokers come back under others. It also
    keeps a connection that does not answer to the old address of a broker: such connections are closed.
    """
    connection = client.client if isinstance(client, AIOKafkaProducer) else client._client
    update = connection._metadata_update

    async def update_or_bootstrap(cluster: Any, topics: Any) -> bool:
        updated = await _in_time(update(cluster, topics))
        if not updated:
            try:
                await connection.bootstrap()
            except errors.KafkaError:
                return False
            _close_moved(connection)
            updated = await _in_time(update(cluster, topics))
        _close_moved(connection)
        return updated

    connection._metadata_update = update_or_bootstrap


async def _in_time(update: Coroutine[Any, Any, bool]) -> bool:
    """The result of an update of metadata; False if the brokers do not answer in time."""
    try:
        return await asyncio.wait_for(update, UPDATE_S)
    except TimeoutError:
        return False


def _close_moved(client: Any) -> None:
    for (node_id, _), connection in [*client._conns.items()]:
        broker = client.cluster.broker_metadata(node_id)
        if broker is not None and (connection.host, connection.port) != (broker.host, broker.port):
            connection.close()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """Returns the partitions of a topic, requested if unknown. The public method does not wait for them."""
    numbers: set[int] = await consumer._client._wait_on_metadata(topic)
    return numbers


async def request_partitions(client: AIOKafkaConsumer | AIOKafkaProducer, topic: str) -> set[int]:
    """Returns the partitions that a topic has now, also those that were added since the client has known it."""
    connection = client.client if isinstance(client, AIOKafkaProducer) else client._client
    await connection._wait_on_metadata(topic)
    await connection.force_metadata_update()
    numbers: set[int] = await connection._wait_on_metadata(topic)
    return numbers


def check_group_errors(consumer: AIOKafkaConsumer) -> None:
    """Raises the error of the consumer's group coordination, if any: as `getmany` does, without fetching."""
    consumer._coordinator.check_errors()


def leave_group_at_stop(consumer: AIOKafkaConsumer) -> None:
    """Makes a static member leave its group when it stops. aiokafka never does so by itself."""
    consumer._coordinator._group_instance_id = None


def watch_partitions(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Makes a member rejoin its group when its topic gets partitions, which aiokafka does for the leader alone.

    A member that takes the place of a leader with the same instance name does not learn that it leads.
    """
    coordinator = consumer._coordinator
    coordinator._group_subscription = {topic}
    coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()


def fail_unsent(producer: AIOKafkaProducer) -> None:
    """Fails the unsent records of a producer, for which its `stop` would wait."""
    producer._message_accumulator.fail_all(errors.ProducerClosed())


async def send_request(admin: AIOKafkaAdminClient, request: Any) -> Any:
    """Sends a request for which the admin client has no method."""
    return await admin._send_request(request)
