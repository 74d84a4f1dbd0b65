"""The log in Kafka: the engine for everything that outgrows one machine.

Appenders, readers and look-ups have clients of their own. Offsets are never committed to Kafka: they are stored
in PostgreSQL, in the same transaction as the results of the records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient

from runtime.log import LogIdentity, LogUnavailable, Member, Record, WrongLog
from runtime.log.kafka_appender import KafkaAppender
from runtime.log.kafka_private import bootstrap_again, partitions_of, request_partitions
from runtime.log.kafka_reader import LONG_SESSION_MS, SESSION_MS, KafkaReader
from runtime.log.kafka_topics import Cluster, add_partitions, administer, check, create, describe
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC

LOOK_UP_S = 10.0
OTHER_NODE_S = 20.0
"""Time in seconds to try other nodes when one fails while the log is being opened."""

T = TypeVar("T")


class KafkaLog:
    """The log in one cluster. `bootstrap`: `host:port,…`; `prefix`: before the names of topics and groups;
    `instance`: see KafkaReader."""

    outlives_database = True

    def __init__(self, bootstrap: str, *, prefix: str = "", instance: str | None = None) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._instance = instance
        self._topics = [prefix + topic for topic in (COMMANDS_TOPIC, EVENTS_TOPIC)]
        self._consumer: AIOKafkaConsumer | None = None
        self._one_at_a_time = asyncio.Lock()

    async def identity(self) -> LogIdentity:
        cluster = await self._administered(self._checked)
        topics = " ".join(f"{name}={cluster.topics[name].topic_id}" for name in self._topics)
        return LogIdentity(kind="kafka", cluster=cluster.cluster_id, topic=topics)

    async def create(self, partitions: int) -> None:
        await self._administered(lambda admin: create(admin, self._topics, partitions))
        await self._administered(self._checked)

    async def add_partitions(self, total: int) -> None:
        for topic in (EVENTS_TOPIC, COMMANDS_TOPIC):
            add = partial(add_partitions, topic=self._prefix + topic, total=total)
            await self._administered(add)

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        async with self._one_at_a_time:
            try:
                return await asyncio.wait_for(self._bounds_now(self._prefix + topic), LOOK_UP_S)
            except (errors.KafkaError, OSError, TimeoutError) as error:
                raise await self._failed(error) from error

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        async with self._one_at_a_time:
            try:
                return await self._read(TopicPartition(self._prefix + topic, partition), start, limit)
            except (errors.KafkaError, OSError, TimeoutError) as error:
                raise await self._failed(error) from error

    def appender(self, topic: str) -> KafkaAppender:
        return KafkaAppender(self._bootstrap, self._prefix, topic, bounds=self.bounds, read=self.read)

    def reader(self, topic: str, group: str, member: Member) -> KafkaReader:
        return KafkaReader(
            self._bootstrap,
            self._prefix + topic,
            self._prefix + group,
            member,
            # A pending decision needs a new owner soon; e-mails can wait, and the notifier may be slow to poll.
            session_ms=SESSION_MS if topic == COMMANDS_TOPIC else LONG_SESSION_MS,
            instance=self._instance,
        )

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _checked(self, admin: AIOKafkaAdminClient) -> Cluster:
        cluster = await describe(admin, self._topics)
        for name in self._topics:
            if name not in cluster.topics:
                raise WrongLog(f"Kafka at {self._bootstrap} has no topic {name}; `aisle up` creates it")
        await check(admin, self._bootstrap, [cluster.topics[name] for name in self._topics])
        return cluster

    async def _administered(self, work: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """Returns the result of `work`, which is retried on another node when its node fails in the middle of it."""
        deadline = time.monotonic() + OTHER_NODE_S
        while True:
            connected = False
            try:
                async with administer(self._bootstrap) as admin:
                    connected = True
                    return await work(admin)
            except LogUnavailable as error:
                if not connected or error.__cause__ is None or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap.split(","),
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=50,
                request_timeout_ms=5_000,
            )
            bootstrap_again(consumer)
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def _bounds_now(self, topic: str) -> dict[int, tuple[int, int]]:
        """Returns the bounds of all partitions that the topic has now."""
        await request_partitions(await self._connected(), topic)
        return await self._bounds(topic)

    async def _bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        consumer = await self._connected()
        numbers = await partitions_of(consumer, topic)
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        return {one.partition: (first[one], end[one]) for one in partitions}

    async def _read(self, partition: TopicPartition, start: int, limit: int) -> list[Record]:
        bounds = await self._bounds(partition.topic)
        if partition.partition not in bounds:  # it may have been added since
            bounds = await self._bounds_now(partition.topic)
        first, end = bounds.get(partition.partition, (0, 0))
        if not first <= start <= end:
            where = f"{partition.topic}-{partition.partition}"
            raise WrongLog(f"offset {start} is outside of {where}, which has {first} to {end}")
        consumer = await self._connected()
        records: list[Record] = []
        consumer.assign([partition])
        consumer.seek(partition, start)
        deadline = time.monotonic() + LOOK_UP_S
        while (left := min(limit - len(records), end - start - len(records))) > 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{partition} gave {len(records)} records in {LOOK_UP_S} s")
            for found in (await consumer.getmany(partition, timeout_ms=500, max_records=left)).values():
                records += [
                    Record(partition.partition, one.offset, one.timestamp, one.value) for one in found
                ]
                deadline = time.monotonic() + LOOK_UP_S
        consumer.pause(partition)
        return records

    async def _failed(self, error: BaseException) -> LogUnavailable:
        await self.close()
        return LogUnavailable(f"Kafka at {self._bootstrap} does not answer: {error!r}")
