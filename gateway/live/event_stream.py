"""What happens in the whole house, read from the topic of events while somebody on this gateway listens.

Only the log has every event, in order, also while Redis is away; so it is the one source. What is published
after a follower came is told to it: nothing is left out and nothing told twice, and events of one show come in
log order. A gateway without followers reads nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
import structlog

from runtime.log import Log, LogUnavailable, Reader, Record
from runtime.postgres import AWAY
from schemas.wire import EVENTS_TOPIC

MAX_RECORDS = 100
"""Of one partition at a time: others have their turn in between."""
_POLL_S = 0.1
_RETRY_S = 0.5
_LINGER_S = 30.0
"""How long reading goes on when the last follower has left: joining a group anew takes Kafka a while."""

_log = structlog.get_logger()


class Heard(msgspec.Struct, frozen=True):
    """An event as far as it has to be read to know who is to hear of it."""

    show_id: int
    user_id: int | None
    """Whose booking it is about, if it is about one."""
    body: bytes
    """The JSON of the PublishedEvent."""


class _Booking(msgspec.Struct):
    show_id: int
    user_id: int


class _Event(msgspec.Struct):
    show_id: int = 0
    booking: _Booking | None = None


class _Published(msgspec.Struct):
    event_id: str
    event: _Event


_decode = msgspec.json.Decoder(_Published).decode


class EventStream:
    """The events of all partitions, to whoever hears them on this gateway."""

    def __init__(self, log: Log) -> None:
        self._opened_log = log
        self._hearers: list[Callable[[Heard], None]] = []
        self._followers = 0
        self._wanted = asyncio.Event()
        self._finding_end = asyncio.Lock()
        self._next: dict[int, int] = {}
        """Where to read on; empty while nobody listens."""
        self._told: dict[int, tuple[int, int]] = {}
        """The last event told of each partition: its decision's offset and its number there."""

    def to(self, hear: Callable[[Heard], None]) -> None:
        """Calls `hear` with every event; it must not wait."""
        self._hearers.append(hear)

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Inside, all that is published from now on is told. Raises LogUnavailable."""
        self._followers += 1
        try:
            async with self._finding_end:
                if not self._next:
                    bounds = await self._opened_log.bounds(EVENTS_TOPIC)
                    self._next = {partition: end for partition, (_, end) in bounds.items()}
            self._wanted.set()
            yield
        finally:
            self._followers -= 1

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Where the log is read on; a partition that was added meanwhile, from its start."""
        if not self._next.keys() >= set(partitions):
            for partition, (first, _) in (await self._opened_log.bounds(EVENTS_TOPIC)).items():
                self._next.setdefault(partition, first)
        return {partition: self._next[partition] for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Nothing is kept between two polls."""

    async def run(self) -> None:
        """Reads while there are followers, for ever. Raises WrongLog."""
        while True:
            await self._wanted.wait()
            # A group of its own each time: every gateway hears everything, and nobody's old session is waited for.
            reader = self._opened_log.reader(EVENTS_TOPIC, f"live-{secrets.token_hex(6)}", self)
            try:
                await self._read(reader)
            finally:
                with contextlib.suppress(*AWAY):
                    await reader.close()
            if not self._followers:
                self._wanted.clear()
                self._next.clear()

    async def _read(self, reader: Reader) -> None:
        loop = asyncio.get_running_loop()
        followed_at = loop.time()
        failing = False
        while self._followers or loop.time() < followed_at + _LINGER_S:
            if self._followers:
                followed_at = loop.time()
            try:
                given = await reader.poll(max_records=MAX_RECORDS, wait_s=_POLL_S)
            except LogUnavailable as error:
                if not failing:
                    _log.warning("live events cannot be read now", error=str(error))
                failing = True
                await asyncio.sleep(_RETRY_S)
                continue
            failing = False
            for partition, records in given.items():
                if self._followers:
                    for record in records:
                        self._tell(record)
                self._next[partition] = records[-1].offset + 1
                await asyncio.sleep(0)

    def _tell(self, record: Record) -> None:
        try:
            published = _decode(record.body)
            partition, offset, number = map(int, published.event_id.split("-"))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            _log.error(
                "an event that cannot be read is passed over",
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            return
        # What a worker publishes again after a crash repeats the last events in their order.
        if (offset, number) <= self._told.get(partition, (-1, -1)):
            return
        self._told[partition] = (offset, number)
        booking = published.event.booking
        if booking is None:
            heard = Heard(published.event.show_id, None, record.body)
        else:
            heard = Heard(booking.show_id, booking.user_id, record.body)
        for hear in self._hearers:
            hear(heard)
