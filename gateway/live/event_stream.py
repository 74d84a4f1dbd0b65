"""Stream of all events, read from the topic of events while this gateway has readers.

The log is the only source, because only it has every event, in order, and also while Redis is away. A reader gets every
event published after it began, each once, those of one show in log order. Without readers nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
import structlog

from runtime.log import Log, LogUnavailable, Reader, Record
from runtime.polling import OutageLog
from runtime.postgres import UNAVAILABLE
from schemas.wire import EVENTS_TOPIC

MAX_RECORDS = 100
"""Records of one partition that are processed before the event loop runs other tasks."""
_POLL_S = 0.1
_RETRY_S = 0.5
_LINGER_S = 30.0
"""Time for which reading continues without readers, because joining a consumer group again takes Kafka seconds."""

_log = structlog.get_logger()


class StreamEvent(msgspec.Struct, frozen=True):
    """An event, decoded only as far as needed to find its receivers."""

    show_id: int
    user_ids: tuple[int, ...]
    """The owners of its bookings, each once."""
    body: bytes
    """The JSON of the PublishedEvent."""


class _Booking(msgspec.Struct):
    show_id: int
    user_id: int


class _Event(msgspec.Struct):
    show_id: int = 0
    booking: _Booking | None = None
    other: _Booking | None = None


class _Published(msgspec.Struct):
    event_id: str
    event: _Event


_decode = msgspec.json.Decoder(_Published).decode


class EventStream:
    """The events of all partitions, for the subscribers on this gateway."""

    def __init__(self, log: Log) -> None:
        self._source = log
        self._subscribers: list[Callable[[StreamEvent], None]] = []
        self._readers = 0
        self._wanted = asyncio.Event()
        self._end_lock = asyncio.Lock()
        self._next: dict[int, int] = {}
        """The next offset of each partition; empty while there are no readers."""
        self._last_sent: dict[int, tuple[int, int]] = {}
        """The last event sent of each partition: the offset of its decision and its number there."""

    def subscribe(self, on_event: Callable[[StreamEvent], None]) -> None:
        """Calls `on_event` with every event. It must not block."""
        self._subscribers.append(on_event)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Inside this context, every event published from now on is sent. Raises LogUnavailable."""
        self._readers += 1
        try:
            async with self._end_lock:
                if not self._next:
                    bounds = await self._source.bounds(EVENTS_TOPIC)
                    self._next = {partition: end for partition, (_, end) in bounds.items()}
            self._wanted.set()
            yield
        finally:
            self._readers -= 1

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Returns the offsets to read from; of a partition that was added meanwhile, its first."""
        if not self._next.keys() >= set(partitions):
            for partition, (first, _) in (await self._source.bounds(EVENTS_TOPIC)).items():
                self._next.setdefault(partition, first)
        return {partition: self._next.setdefault(partition, 0) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Does nothing: no state is kept between two polls."""

    async def run(self) -> None:
        """Reads while there are readers, until cancelled. Raises WrongLog."""
        while True:
            await self._wanted.wait()
            # A new group each time: every gateway reads everything, and waits for no session of an earlier group.
            reader = self._source.reader(EVENTS_TOPIC, f"live-{secrets.token_hex(6)}", self)
            try:
                await self._read(reader)
            finally:
                with contextlib.suppress(*UNAVAILABLE):
                    await reader.close()
            if not self._readers:
                self._wanted.clear()
                self._next.clear()

    async def _read(self, reader: Reader) -> None:
        loop = asyncio.get_running_loop()
        last_reader_at = loop.time()
        outage = OutageLog("live events")
        while self._readers or loop.time() < last_reader_at + _LINGER_S:
            if self._readers:
                last_reader_at = loop.time()
            try:
                given = await reader.poll(max_records=MAX_RECORDS, wait_s=_POLL_S)
            except LogUnavailable as error:
                outage.failed(error)
                await asyncio.sleep(_RETRY_S)
                continue
            outage.succeeded()
            for partition, records in given.items():
                if self._readers:
                    for record in records:
                        self._send(record)
                self._next[partition] = records[-1].offset + 1
                await asyncio.sleep(0)

    def _send(self, record: Record) -> None:
        try:
            published = _decode(record.body)
            partition, offset, number = map(int, published.event_id.split("-"))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            _log.error(
                "invalid_event_skipped",
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            return
        # Events that a seat worker publishes again after a crash repeat the last ones in their order.
        if (offset, number) <= self._last_sent.get(partition, (-1, -1)):
            return
        self._last_sent[partition] = (offset, number)
        found = published.event
        bookings = [booking for booking in (found.booking, found.other) if booking is not None]
        owners = dict.fromkeys(booking.user_id for booking in bookings if booking.user_id)
        show_id = bookings[0].show_id if bookings else found.show_id
        event = StreamEvent(show_id, tuple(owners), record.body)
        for on_event in self._subscribers:
            on_event(event)
