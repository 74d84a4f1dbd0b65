"""Kafka's topics: created with the settings of a log, rejected when they have others.

Retention by size or by a short age, or compaction, would delete commands that were accepted; timestamps of producers
would be clocks that the writers do not share.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from runtime.log import LogUnavailable, WrongLog
from runtime.log.kafka_private import send_request
from runtime.log.kafka_topic_ids import MetadataRequestWithIds

MAX_BATCH_BYTES = 8 * 2**20
"""Maximum size of a batch in a topic; a record with its overhead has to fit."""

SETTINGS = {
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(MAX_BATCH_BYTES),
}
LEAST_RETENTION_MS = 30 * 24 * 3_600_000
"""The shortest retention that is accepted: the longest time for which seat workers and notifiers may stand still."""
SAFE_REPLICAS = 3
"""With three nodes, a record is acknowledged on two, so that one may fail."""

LEADERS_S = 15.0


class Topic(NamedTuple):
    """A topic in the description of the cluster. `replicas`: the smallest number of any partition."""

    name: str
    topic_id: str
    replicas: int
    has_leaders: bool
    partitions: int


class Cluster(NamedTuple):
    """The description of a cluster by one of its nodes, without missing topics."""

    cluster_id: str
    brokers: int
    topics: dict[str, Topic]


@asynccontextmanager
async def administer(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yields an administration client. Errors of Kafka within the block are raised as LogUnavailable."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=10_000)
    try:
        await admin.start()
        yield admin
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(f"Kafka at {bootstrap} does not answer: {error!r}") from error
    finally:
        await admin.close()


async def describe(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> Cluster:
    """Returns the cluster with those of the topics that exist. Raises WrongLog for a Kafka that is too old."""
    try:
        answer = await send_request(admin, MetadataRequestWithIds(list(topics)))
    except NotImplementedError:
        raise WrongLog(
            "this Kafka is too old: its topics have no ids; Kafka 2.8 or later is needed"
        ) from None
    found = {}
    for error_code, name, topic_id, _, partitions, *_ in answer.topics:
        if error_code == 0 or partitions:
            replicas = min([len(partition[4]) for partition in partitions])
            leaders = all(partition[0] == 0 and partition[2] >= 0 for partition in partitions)
            found[name] = Topic(name, str(topic_id), replicas, leaders, len(partitions))
        elif error_code != errors.UnknownTopicOrPartitionError.errno:
            raise LogUnavailable(f"Kafka does not describe topic {name}: {errors.for_code(error_code)()}")
    return Cluster(answer.cluster_id or "", len(answer.brokers), found)


async def create(admin: AIOKafkaAdminClient, topics: Sequence[str], partitions: int) -> None:
    """Creates missing topics and waits until all partitions have a leader."""
    cluster = await describe(admin, topics)
    safe = cluster.brokers >= SAFE_REPLICAS
    settings = SETTINGS | {"min.insync.replicas": "2" if safe else "1"}
    missing = [
        NewTopic(name, partitions, SAFE_REPLICAS if safe else 1, topic_configs=settings)
        for name in topics
        if name not in cluster.topics
    ]
    if missing:
        answer = await admin.create_topics(missing)
        for name, code, message in [error[:3] for error in answer.topic_errors]:
            if code not in (0, errors.TopicAlreadyExistsError.errno):
                reason = message or errors.for_code(code)()
                raise LogUnavailable(f"Kafka does not create topic {name}: {reason}")
    await _wait_for_leaders(admin, topics, 1)


async def add_partitions(admin: AIOKafkaAdminClient, topic: str, total: int) -> None:
    """Adds partitions until the topic has `total`, and waits until all have a leader."""
    held = (await describe(admin, [topic])).topics
    if topic not in held:
        raise WrongLog(f"Kafka has no topic {topic}; `aisle up` creates it")
    if held[topic].partitions < total:
        with contextlib.suppress(errors.InvalidPartitionsError):  # another command was faster
            await admin.create_partitions({topic: NewPartitions(total)})
    await _wait_for_leaders(admin, [topic], total)


async def _wait_for_leaders(admin: AIOKafkaAdminClient, topics: Sequence[str], partitions: int) -> None:
    deadline = time.monotonic() + LEADERS_S
    while not (await _all_led(admin, topics, partitions)):
        if time.monotonic() > deadline:
            raise LogUnavailable(f"Kafka has no leader for all partitions of {', '.join(topics)}")
        await asyncio.sleep(0.05)


async def _all_led(admin: AIOKafkaAdminClient, topics: Sequence[str], partitions: int) -> bool:
    found = (await describe(admin, topics)).topics
    return all(
        name in found and found[name].has_leaders and found[name].partitions >= partitions for name in topics
    )


async def check(admin: AIOKafkaAdminClient, bootstrap: str, topics: Sequence[Topic]) -> None:
    """Raises WrongLog for the first invalid setting, with the command that corrects it."""
    for topic in topics:
        held = await _settings_of(admin, topic.name)
        wanted = dict(SETTINGS)
        if topic.replicas >= SAFE_REPLICAS:
            wanted["min.insync.replicas"] = "2"
        for name, value in wanted.items():
            if not _is_valid(name, held.get(name, ""), value):
                raise WrongLog(
                    f"topic {topic.name} has {name}={held.get(name)}, it needs {value}; this command corrects it: "
                    f"kafka-configs.sh --bootstrap-server {bootstrap} --entity-type topics "
                    f"--entity-name {topic.name} --alter --add-config {name}={value}"
                )


def _is_valid(name: str, held: str, wanted: str) -> bool:
    if name in ("max.message.bytes", "min.insync.replicas"):
        return int(held) >= int(wanted)
    if name == "retention.ms" and int(held) >= LEAST_RETENTION_MS:
        return True
    return held == wanted


async def _settings_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, Any]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((code, message, _, _, entries),) = answer.resources
    if code != 0:
        reason = message or errors.for_code(code)()
        raise LogUnavailable(f"Kafka does not show the settings of topic {topic}: {reason}")
    return {entry[0]: entry[1] for entry in entries}
