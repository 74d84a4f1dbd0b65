"""aiokafka's names that are not its public interface, all of which are used by way of this module.

They may change with any release: requirements/run.in pins the version, and a test compares what is relied upon.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, errors
from aiokafka.admin import AIOKafkaAdminClient
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
    "Schema",
    "TaggedFields",
    "check_group_errors",
    "fail_unsent",
    "leave_group_at_stop",
    "partitions_of",
    "send_request",
]


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The partitions of a topic, asked for if they are not known. The public method does not wait for them."""
    numbers: set[int] = await consumer._client._wait_on_metadata(topic)
    return numbers


def check_group_errors(consumer: AIOKafkaConsumer) -> None:
    """Raises what the consumer's group coordination has failed with: as `getmany` does, without fetching."""
    consumer._coordinator.check_errors()


def leave_group_at_stop(consumer: AIOKafkaConsumer) -> None:
    """Makes a static member leave its group when it stops. A client with such a name never does by itself."""
    consumer._coordinator._group_instance_id = None


def fail_unsent(producer: AIOKafkaProducer) -> None:
    """Fails what a producer has not sent, for which its `stop` would wait."""
    producer._message_accumulator.fail_all(errors.ProducerClosed())


async def send_request(admin: AIOKafkaAdminClient, request: Any) -> Any:
    """Sends a request that the admin client has no method for."""
    return await admin._send_request(request)
