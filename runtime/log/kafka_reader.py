"""Reading Kafka as a member of a consumer group, whose partitions come and go.

aiokafka reports partitions from its own task; here the notices wait in a queue until `poll` notifies the member, so
that partitions do not change in the middle of a batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition, errors

from runtime.backends import Backend
from runtime.log import LogUnavailable, Member, Record, WrongLog
from runtime.log.kafka_assignor import sticky_assignor
from runtime.log.kafka_private import (
    bootstrap_again,
    check_group_errors,
    leave_group_at_stop,
    watch_partitions,
)

SESSION_MS = 3_000
"""Session timeout: a member without heartbeats for this time is dead. Used where the brokers allow it."""
LEAST_SESSION_MS = 6_000
"""Shortest session timeout with the default of `group.min.session.timeout.ms`."""
LONG_SESSION_MS = 15_000
"""Session timeout of members at low CPU priority."""
HEARTBEAT_MS = 100
"""Interval of heartbeats, by which members learn that partitions are to be reassigned; all wait for the last one."""
LONG_HEARTBEAT_MS = 500
REBALANCE_MS = 6_000
"""Timeout for a member to release its partitions; after it they are lost without notice."""
FETCH_WAIT_MS = 50
"""Timeout of a fetch. It is short because a fetch blocks other partitions of the same broker."""
FETCH_BYTES = 2**20
PARTITIONS_EVERY_MS = 1_000
"""Interval of looks for partitions that were added: the group then assigns them."""
STOP_S = 5.0

logger = structlog.get_logger()


class _Announcement:
    """Partitions that are assigned (`given`) or revoked, and an event set once the member was notified."""

    def __init__(self, given: bool, partitions: list[int]) -> None:
        self.given = given
        self.partitions = partitions
        self.delivered = asyncio.Event()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Queues the notices of aiokafka for a reader."""

    def __init__(self) -> None:
        self.queue: deque[_Announcement] = deque()
        self.arrived = asyncio.Event()
        self.closed = False

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        # The group waits for this: the partitions are reassigned only after the member has released them.
        await self._announce(False, revoked).delivered.wait()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # Not awaited: heartbeats continue only after this returns, and a member may take long to load its state.
        self._announce(True, assigned)

    def _announce(self, given: bool, partitions: Collection[TopicPartition]) -> _Announcement:
        announcement = _Announcement(given, sorted(one.partition for one in partitions))
        if self.closed:
            announcement.delivered.set()
        else:
            self.queue.append(announcement)
            self.arrived.set()
        return announcement

    def close(self) -> None:
        self.closed = True
        for announcement in self.queue:
            announcement.delivered.set()
        self.queue.clear()


class KafkaReader:
    """Reads one topic with its own consumer, which is replaced when it has failed."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        member: Member,
        *,
        session_ms: int = SESSION_MS,
        instance: str | None = None,
    ) -> None:
        """`instance`: a name that a member shares with its predecessor and with no other member. The partitions of a
        killed member are then assigned to its successor at once; without a name, all members wait until the session
        of the dead one has expired."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = f"{group}.{topic}"
        self._member = member
        self._session_ms = session_ms
        self._instance = instance
        self._consumer: AIOKafkaConsumer | None = None
        self._listener = _Listener()
        self._assigned: list[int] = []
        self._server = Backend("kafka", f"read_{topic.rpartition('.')[2]}")
        self._joined = False
        """Whether the consumer has subscribed, and so joins its group."""
        self._settled = False
        """True when the assignment is known; during a rebalance aiokafka returns no records."""
        self._fetched: dict[int, deque[Record]] = {}
        """Fetched records that no poll has returned yet."""
        self._paused: set[int] = set()
        """Partitions with more fetched records than a poll returns: paused until these are consumed."""

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        deadline = time.monotonic() + wait_s
        try:
            consumer = await self._started()
            while True:
                await self._notify_member(consumer)
                if self._settled:
                    self._keep(await consumer.getmany(timeout_ms=0))
                else:
                    check_group_errors(consumer)
                found = self._give(consumer, max_records)
                left_s = deadline - time.monotonic()
                if found or left_s <= 0:
                    return found
                await self._wait(consumer, left_s)
        except errors.OffsetOutOfRangeError as error:
            raise WrongLog(f"offsets outside of the log: {error}") from None
        except errors.KafkaError as error:
            self._server.failed()
            await self._leave_group()
            if isinstance(error, errors.InvalidSessionTimeoutError) and self._session_ms < LEAST_SESSION_MS:
                logger.info("session_lengthened", refused_ms=self._session_ms, session_ms=LEAST_SESSION_MS)
                self._session_ms = LEAST_SESSION_MS
                return {}
            raise LogUnavailable(f"Kafka at {self._bootstrap} does not give records: {error!r}") from error

    def seek(self, partition: int, offset: int) -> None:
        if self._consumer is not None and partition in self._assigned:
            self._seek(self._consumer, partition, offset)

    @property
    def in_group(self) -> bool:
        return self._settled

    async def close(self, *, leave: bool = True) -> None:
        if self._consumer is not None and (leave or self._instance is None):
            # A static member does not leave the group when it stops, and the group would wait for it.
            leave_group_at_stop(self._consumer)
        await self._leave_group()

    async def prepare(self) -> None:
        try:
            await self._connected()
        except (errors.KafkaError, OSError) as error:
            logger.warning("consumer_not_prepared", topic=self._topic, error=repr(error))

    async def _started(self) -> AIOKafkaConsumer:
        consumer = await self._connected()
        if not self._joined:
            self._joined = True
            # After `start`: with a subscription it would wait for the assignment, which waits for the member.
            consumer.subscribe([self._topic], listener=self._listener)
        return consumer

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            group_id=self._group,
            group_instance_id=self._instance,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=LONG_HEARTBEAT_MS if self._session_ms == LONG_SESSION_MS else HEARTBEAT_MS,
            partition_assignment_strategy=(sticky_assignor(),),
            rebalance_timeout_ms=REBALANCE_MS,
            request_timeout_ms=REBALANCE_MS + 3_000,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=PARTITIONS_EVERY_MS,
        )
        bootstrap_again(consumer)
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._server.works()
        self._consumer, self._listener, self._settled, self._joined = consumer, _Listener(), False, False
        return consumer

    async def _notify_member(self, consumer: AIOKafkaConsumer) -> None:
        queue = self._listener.queue
        self._listener.arrived.clear()
        while queue:
            announcement = queue[0]
            # Removed from the queue once the member has returned: after an error it is notified again.
            if not announcement.given:
                await self._revoke()
            elif announcement.partitions:
                offsets = await self._member.assigned(announcement.partitions)
                self._assigned = announcement.partitions
                for partition, offset in offsets.items():
                    self._seek(consumer, partition, offset)
            if announcement.given:
                watch_partitions(consumer, self._topic)
            self._settled = announcement.given
            if queue and queue[0] is announcement:
                queue.popleft()
            announcement.delivered.set()

    async def _wait(self, consumer: AIOKafkaConsumer, wait_s: float) -> None:
        """Waits for records, which are kept, or for a change of partitions, at most `wait_s`."""
        loop = asyncio.get_running_loop()
        arrival = loop.create_task(self._listener.arrived.wait())
        tasks: set[asyncio.Task[Any]] = {arrival}
        if self._settled:
            tasks.add(loop.create_task(consumer.getmany(timeout_ms=int(wait_s * 1000))))
        try:
            done, _ = await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done - {arrival}:
            self._keep(task.result())

    def _keep(self, records: dict[TopicPartition, list[Any]]) -> None:
        for one, found in records.items():
            partition = one.partition
            kept = self._fetched.setdefault(partition, deque())
            kept.extend([Record(partition, each.offset, each.timestamp, each.value) for each in found])

    def _give(self, consumer: AIOKafkaConsumer, max_records: int) -> dict[int, list[Record]]:
        given = {}
        for partition, kept in [*self._fetched.items()]:
            if len(kept) > max_records:
                given[partition] = [kept.popleft() for _ in range(max_records)]
                if partition not in self._paused:
                    self._paused.add(partition)
                    consumer.pause(TopicPartition(self._topic, partition))
            else:
                given[partition] = list(kept)
                self._forget(consumer, partition)
        return given

    def _forget(self, consumer: AIOKafkaConsumer, partition: int) -> None:
        self._fetched.pop(partition, None)
        if partition in self._paused:
            self._paused.remove(partition)
            consumer.resume(TopicPartition(self._topic, partition))

    def _seek(self, consumer: AIOKafkaConsumer, partition: int, offset: int) -> None:
        self._forget(consumer, partition)
        consumer.seek(TopicPartition(self._topic, partition), offset)

    async def _revoke(self) -> None:
        held, self._assigned = self._assigned, []
        self._fetched.clear()
        self._paused.clear()
        if held:
            await self._member.revoked(held)

    async def _leave_group(self) -> None:
        """Notifies the member and leaves the group."""
        await self._revoke()
        self._listener.close()
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            await asyncio.wait_for(consumer.stop(), STOP_S)
        except (errors.KafkaError, OSError, TimeoutError) as error:
            logger.warning("consumer_not_stopped", topic=self._topic, error=repr(error))
