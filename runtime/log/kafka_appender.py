"""Appending to Kafka: one batch of each partition in flight, while the next one collects.

Offsets follow from the batch: its base offset plus the index. Where Kafka confirms a batch without that offset, and
where a producer has failed with an unknown outcome, the log itself is read: its records since the last confirmed one
are compared byte by byte. Records that are not found have an unknown outcome, because a request may still be in
flight.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaProducer, errors

from runtime.backends import Backend
from runtime.log import MAX_BODY_BYTES, LogUnavailable, Record, WrongLog
from runtime.log.kafka_private import bootstrap_again, fail_unsent, request_partitions

BATCH_BYTES = 512 * 1024
MAX_PENDING_RECORDS = 20_000
MAX_PENDING_BYTES = 64 * 2**20
REQUEST_S = 5.0
GIVE_UP_S = 12.0
"""Timeout of a batch in flight. A new leader is elected within it, by default within 9 s."""
PAUSE_S = 0.2
"""After a failed attempt to connect, appends are rejected for this time."""
SCAN_RECORDS = 5_000
NEW_PARTITION_TRIES, NEW_PARTITION_PAUSE_S = 5, 0.1
"""Attempts to learn of an added partition from the nodes of Kafka, which do not all know it at once."""

CERTAINLY_REFUSED = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTopicError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)

logger = structlog.get_logger()


class Bounds(Protocol):
    """KafkaLog.bounds."""

    def __call__(self, topic: str) -> Awaitable[dict[int, tuple[int, int]]]: ...


class Read(Protocol):
    """KafkaLog.read."""

    def __call__(self, topic: str, partition: int, start: int, limit: int) -> Awaitable[list[Record]]: ...


class _MultiAppend:
    """The result of one append_many, complete when its last partition has responded."""

    def __init__(self, count: int, future: asyncio.Future[list[int]]) -> None:
        self.offsets = [-1] * count
        self.missing = count
        self.future = future


Waiter = tuple[bytes, "asyncio.Future[int] | _MultiAppend", int]
"""A record: its body, the future of its offset, and its index in the call of `append_many`."""


class _Lane:
    """Queue of one partition: waiting records, and the batch in flight."""

    def __init__(self, partition: int, end: int) -> None:
        self.partition = partition
        self.waiting: deque[Waiter] = deque()
        self.sent: list[Waiter] = []
        self.deadline: asyncio.TimerHandle | None = None
        self.confirmed = end
        """No waiting record or record in flight is before this offset."""


class KafkaAppender:
    """Appends to one topic with an idempotent producer, which is replaced when it has failed."""

    def __init__(self, bootstrap: str, prefix: str, topic: str, *, bounds: Bounds, read: Read) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._name = prefix + topic
        self._bounds = bounds
        self._read = read
        self._lanes: dict[int, _Lane] = {}
        self._ready: dict[_Lane, None] = {}
        """Lanes that may send: with waiting records and none in flight."""
        self._unresolved: list[tuple[_Lane, list[Waiter]]] = []
        self._broken = False
        self._producer: AIOKafkaProducer | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._pause_until = 0.0
        self._server = Backend("kafka", f"append_{topic.rpartition('.')[2]}")
        self._pending_records = 0
        self._pending_bytes = 0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._wakeup: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._run(), name=f"append to {topic}")

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        try:
            self._check(1, len(body), len(body))
        except (LogUnavailable, ValueError) as refusal:
            future.set_exception(refusal)
        else:
            self._put(partition, (body, future, 0))
        return future

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        if not records:
            return []
        sizes = [len(body) for _, body in records]
        self._check(len(records), sum(sizes), max(sizes))
        many = _MultiAppend(len(records), self._loop.create_future())
        for index, (partition, body) in enumerate(records):
            self._put(partition, (body, many, index))
        return await many.future

    async def close(self) -> None:
        self._closed = True
        self._wake()
        await self._task
        if self._producer is not None:
            await self._producer.stop()
        if self._retired:
            await asyncio.wait(self._retired, timeout=REQUEST_S)
        for task in self._retired:
            task.cancel()

    def _check(self, count: int, size: int, largest: int) -> None:
        if largest > MAX_BODY_BYTES:
            raise ValueError(f"a record has at most {MAX_BODY_BYTES} bytes, this one {largest}")
        if self._closed:
            raise LogUnavailable("the appender is closed")
        if self._pause_until and time.monotonic() < self._pause_until:
            raise LogUnavailable(f"Kafka at {self._bootstrap} does not answer")
        if self._pending_records and (
            self._pending_records + count > MAX_PENDING_RECORDS
            or self._pending_bytes + size > MAX_PENDING_BYTES
        ):
            raise LogUnavailable(f"{self._pending_records} records wait for the log already")

    def _put(self, partition: int, waiter: Waiter) -> None:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane(partition, -1)
        lane.waiting.append(waiter)
        self._pending_records += 1
        self._pending_bytes += len(waiter[0])
        if not lane.sent and lane not in self._ready:
            self._ready[lane] = None
            self._wake()

    def _wake(self) -> None:
        if not self._wakeup.done():
            self._wakeup.set_result(None)

    async def _run(self) -> None:
        while True:
            if self._unresolved:
                await self._look_up_outcomes()
            elif self._ready:
                if await self._connected():
                    await self._send_ready()
            elif self._closed and not any(lane.sent for lane in self._lanes.values()):
                return
            else:
                self._wakeup = self._loop.create_future()
                await self._wakeup

    async def _connected(self) -> bool:
        """Returns True with a connected producer. Without one, all waiting records are rejected."""
        if self._producer is not None:
            return True
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap.split(","),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(REQUEST_S * 1000),
            metadata_max_age_ms=60_000,
        )
        bootstrap_again(producer)
        try:
            async with asyncio.timeout(REQUEST_S):
                await producer.start()
                bounds = await self._bounds(self._topic)
        except (errors.KafkaError, LogUnavailable, OSError, TimeoutError) as error:
            self._server.failed()
            logger.warning("log_not_reachable", topic=self._name, error=repr(error))
            self._retire(producer)
            self._pause_until = time.monotonic() + PAUSE_S
            refusal = LogUnavailable(f"Kafka at {self._bootstrap} does not answer: {error!r}")
            for lane in [*self._ready]:
                self._fail(self._take(lane, len(lane.waiting)), refusal)
            self._ready.clear()
            return False
        self._pause_until = 0.0
        self._server.works()
        self._producer = producer
        for partition, (_, end) in bounds.items():
            lane = self._lanes.setdefault(partition, _Lane(partition, end))
            lane.confirmed = max(lane.confirmed, end)
        return True

    async def _send_ready(self) -> None:
        assert self._producer is not None
        # A lane stays ready until its own batch is created, so that records that arrive meanwhile do not make it
        # ready twice.
        for lane in [*self._ready]:
            refusal = None if lane.confirmed >= 0 else await self._look_for(lane)
            del self._ready[lane]
            if refusal is not None:
                self._fail(self._take(lane, len(lane.waiting)), refusal)
                continue
            batch = self._producer.create_batch()
            count = 0
            for body, _, _ in lane.waiting:
                if batch.append(timestamp=None, key=None, value=body) is None:
                    break
                count += 1
            sent = lane.sent = self._take(lane, count)
            lane.deadline = self._loop.call_later(GIVE_UP_S, self._time_out, lane, sent)
            try:
                answer = await self._producer.send_batch(batch, self._name, partition=lane.partition)
            except Exception as error:
                self._answered_with(lane, sent, error)
            else:
                answer.add_done_callback(lambda done, lane=lane, sent=sent: self._answered(lane, sent, done))

    async def _look_for(self, lane: _Lane) -> LogUnavailable | WrongLog | None:
        """Returns None for a partition that was added after the producer connected, else why it cannot be used."""
        assert self._producer is not None
        try:
            _, end = (await self._bounds(self._topic)).get(lane.partition, (0, -1))
            if end < 0:
                return WrongLog(f"topic {self._name} has no partition {lane.partition}")
            for _ in range(NEW_PARTITION_TRIES):
                if lane.partition in await request_partitions(self._producer, self._name):
                    lane.confirmed = end
                    return None
                await asyncio.sleep(NEW_PARTITION_PAUSE_S)
        except LogUnavailable as error:
            return error
        except (errors.KafkaError, OSError) as error:
            return LogUnavailable(f"Kafka at {self._bootstrap} does not answer: {error!r}")
        return LogUnavailable(
            f"Kafka does not know partition {lane.partition} of {self._name} everywhere yet"
        )

    def _take(self, lane: _Lane, count: int) -> list[Waiter]:
        taken = [lane.waiting.popleft() for _ in range(count)]
        self._pending_records -= count
        self._pending_bytes -= sum([len(body) for body, _, _ in taken])
        return taken

    def _answered(self, lane: _Lane, sent: list[Waiter], answer: asyncio.Future[Any]) -> None:
        error = answer.exception()
        if error is not None:
            self._answered_with(lane, sent, error)
        elif lane.sent is sent:
            base = answer.result().offset
            self._free(lane)
            if base < 0:
                self._unresolved.append((lane, sent))
                self._wake()
                return
            lane.confirmed = base + len(sent)
            for index, (_, waiter, place) in enumerate(sent):
                _answer(waiter, place, base + index)

    def _answered_with(self, lane: _Lane, sent: list[Waiter], error: BaseException) -> None:
        if lane.sent is not sent:
            return  # its producer was replaced, and its outcome was looked up
        self._server.failed()
        logger.warning("append_failed", topic=self._name, partition=lane.partition, error=repr(error))
        # The sequence numbers are ahead of the broker's: this producer cannot append to the partition again.
        self._broken = True
        self._free(lane)
        if isinstance(error, CERTAINLY_REFUSED):
            self._fail(sent, LogUnavailable(f"Kafka refused an append: {error!r}"))
            self._unresolved.append((lane, []))
        else:
            self._unresolved.append((lane, sent))
        self._wake()

    def _time_out(self, lane: _Lane, sent: list[Waiter]) -> None:
        self._answered_with(lane, sent, TimeoutError(f"no answer within {GIVE_UP_S:.0f} s"))

    def _free(self, lane: _Lane) -> None:
        lane.sent = []
        if lane.deadline is not None:
            lane.deadline.cancel()
            lane.deadline = None
        if lane.waiting:
            self._ready[lane] = None
            self._wake()
        elif self._closed:
            self._wake()

    async def _look_up_outcomes(self) -> None:
        """Looks up the outcome of batches in the log, after retiring a failed producer."""
        if self._broken:
            self._broken = False
            for lane in self._lanes.values():
                if lane.sent:
                    self._unresolved.append((lane, lane.sent))
                    self._free(lane)
            if self._producer is not None:
                self._retire(self._producer)
                self._producer = None
        unresolved, self._unresolved = self._unresolved, []
        for lane, sent in unresolved:
            if not sent:
                continue
            try:
                places = await self._find(lane, {body for body, _, _ in sent})
            except (LogUnavailable, WrongLog) as error:
                logger.warning("log_not_readable", topic=self._name, error=repr(error))
                places = {}
            lost = [waiter for waiter in sent if waiter[0] not in places]
            logger.warning(
                "append_looked_up", topic=self._name, partition=lane.partition, found=len(sent) - len(lost),
                not_found=len(lost),
            )  # fmt: skip
            for body, waiter, place in sent:
                if body in places:
                    _answer(waiter, place, places[body])
            self._fail(lost, LogUnavailable("Kafka did not confirm an append", outcome_unknown=True))

    async def _find(self, lane: _Lane, bodies: set[bytes]) -> dict[bytes, int]:
        """Returns the offsets of bodies in the log, from the last confirmed one on."""
        places: dict[bytes, int] = {}
        start = max(lane.confirmed, 0)
        _, end = (await self._bounds(self._topic))[lane.partition]
        while start < end and len(places) < len(bodies):
            for record in await self._read(self._topic, lane.partition, start, SCAN_RECORDS):
                if record.body in bodies:
                    places.setdefault(record.body, record.offset)
                start = record.offset + 1
        return places

    def _fail(self, waiters: list[Waiter], error: LogUnavailable | WrongLog) -> None:
        for _, waiter, _ in waiters:
            future = waiter.future if isinstance(waiter, _MultiAppend) else waiter
            if not future.done():
                future.set_exception(error)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        task = self._loop.create_task(_stop_failed(producer))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


def _answer(waiter: asyncio.Future[int] | _MultiAppend, place: int, offset: int) -> None:
    if isinstance(waiter, _MultiAppend):
        waiter.offsets[place] = offset
        waiter.missing -= 1
        if not waiter.missing and not waiter.future.done():
            waiter.future.set_result(waiter.offsets)
    elif not waiter.done():
        waiter.set_result(offset)


async def _stop_failed(producer: AIOKafkaProducer) -> None:
    """Stops a failed producer. Its own stop would wait for pending records that it may never send."""
    fail_unsent(producer)
    try:
        await producer.stop()
    except Exception as error:
        logger.debug("producer_stopped", error=repr(error))
