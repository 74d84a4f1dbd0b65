"""A log in memory, for simulations and unit tests: deterministic, with fault injection.

Partitions are assigned as in Kafka's eager protocol: when a member joins or leaves, all members release their
partitions, and then all partitions are assigned again. There is no session timeout: a member that dies must
`vanish`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

from runtime.log import MAX_BODY_BYTES, LogIdentity, LogUnavailable, Member, Record, WrongLog
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC

_numbers = itertools.count(1)


class MemoryLog:
    """A log. `clock` returns Unix milliseconds; timestamps of the log never decrease.

    `outage`, while set, is raised by every append and poll. With `responses_lost` an append succeeds and then raises
    LogUnavailable, as when a connection breaks before the response.
    """

    outlives_database = True

    def __init__(self, clock: Callable[[], int]) -> None:
        self.outage: LogUnavailable | None = None
        self.responses_lost = False
        self._clock = clock
        self._cluster = f"memory-{next(_numbers)}"
        self._topics: dict[str, list[list[Record]]] = {}
        self._groups: dict[tuple[str, str], _Group] = {}
        self._arrived = asyncio.Event()

    async def identity(self) -> LogIdentity:
        if not self._topics:
            raise WrongLog("the log in memory has no topics yet; create it first")
        return LogIdentity(kind="memory", cluster=self._cluster, topic=COMMANDS_TOPIC)

    async def create(self, partitions: int) -> None:
        for topic in (COMMANDS_TOPIC, EVENTS_TOPIC):
            self._topics.setdefault(topic, [[] for _ in range(partitions)])

    async def add_partitions(self, total: int) -> None:
        for topic in (EVENTS_TOPIC, COMMANDS_TOPIC):
            held = self._of(topic)
            held += [[] for _ in range(total - len(held))]
            for (name, _), group in self._groups.items():
                if name == topic:
                    group.changed()
        self.wake()

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        return {number: (0, len(records)) for number, records in enumerate(self._of(topic))}

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        return self.records(topic, partition, start, limit)

    def appender(self, topic: str) -> MemoryAppender:
        return MemoryAppender(self, topic)

    def reader(self, topic: str, group: str, member: Member) -> MemoryReader:
        return MemoryReader(self, topic, self._groups.setdefault((topic, group), _Group()), member)

    async def close(self) -> None:
        """Does nothing: the log exists as long as this object."""

    def records(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        """Returns up to `limit` records from `start` on. Raises WrongLog for an offset outside of the partition."""
        held = self._partition(topic, partition)
        if not 0 <= start <= len(held):
            raise WrongLog(f"offset {start} is outside of {topic}-{partition}, which has 0 to {len(held)}")
        return held[start : start + limit]

    def partitions(self, topic: str) -> range:
        """Returns the partitions of a topic."""
        return range(len(self._of(topic)))

    def put(self, topic: str, partition: int, body: bytes) -> int:
        """Appends synchronously, for tests and simulators; returns the offset."""
        self.check(topic, partition, body)
        held = self._partition(topic, partition)
        at_ms = max(self._clock(), held[-1].at_ms if held else 0)
        held.append(Record(partition, len(held), at_ms, body))
        self.wake()
        return len(held) - 1

    def check(self, topic: str, partition: int, body: bytes) -> None:
        """Raises ValueError or WrongLog for an invalid record."""
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a record has at most {MAX_BODY_BYTES} bytes, this one {len(body)}")
        self._partition(topic, partition)

    async def changed(self, wait_s: float) -> None:
        """Returns when a record has arrived or a group has changed, at the latest after `wait_s`."""
        try:
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()
        except TimeoutError:
            pass

    def wake(self) -> None:
        """Wakes all callers of `changed`."""
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _of(self, topic: str) -> list[list[Record]]:
        if topic not in self._topics:
            raise WrongLog(f"the log in memory has no topic {topic}; create it first")
        return self._topics[topic]

    def _partition(self, topic: str, partition: int) -> list[Record]:
        partitions = self._of(topic)
        if not 0 <= partition < len(partitions):
            raise WrongLog(f"topic {topic} has no partition {partition}")
        return partitions[partition]


class MemoryAppender:
    """Appends to one topic; records are as durable as the log itself."""

    def __init__(self, log: MemoryLog, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._closed = False

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        return asyncio.ensure_future(self._append(partition, body))

    async def _append(self, partition: int, body: bytes) -> int:
        return (await self.append_many([(partition, body)]))[0]

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        if self._closed:
            raise LogUnavailable("the appender is closed")
        if self._log.outage is not None:
            raise self._log.outage
        for partition, body in records:
            self._log.check(self._topic, partition, body)
        offsets = [self._log.put(self._topic, partition, body) for partition, body in records]
        await asyncio.sleep(0)  # lets other tasks run, as in any other log
        if self._log.responses_lost:
            raise LogUnavailable("the response to an append was lost", outcome_unknown=True)
        return offsets

    async def close(self) -> None:
        self._closed = True


class _Group:
    """A consumer group. A generation is settled once every member has released its partitions."""

    def __init__(self) -> None:
        self.members: list[MemoryReader] = []
        self.generation = 0

    def changed(self) -> None:
        self.generation += 1

    def share_of(self, reader: MemoryReader, partitions: range) -> list[int] | None:
        """Returns the partitions of a member in this generation; None while other members have not released theirs."""
        if any(member.joined < self.generation for member in self.members):
            return None
        return [*partitions[self.members.index(reader) :: len(self.members)]]


class MemoryReader:
    """A member of a group. It joins at its first poll."""

    def __init__(self, log: MemoryLog, topic: str, group: _Group, member: Member) -> None:
        self._log = log
        self._topic = topic
        self._group = group
        self._member = member
        self._positions: dict[int, int] = {}
        self._settled = 0
        self.joined = 0
        """The latest generation for which this member has released its partitions."""

    async def prepare(self) -> None:
        """Does nothing: there is nothing to connect to."""

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        if self._log.outage is not None:
            raise self._log.outage
        if self not in self._group.members:
            self._group.members.append(self)
            self._group.changed()
        await self._rebalance()
        found = self._take(max_records)
        if not found and wait_s > 0:
            await self._log.changed(wait_s)
            await self._rebalance()
            found = self._take(max_records)
        return found

    def seek(self, partition: int, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset

    @property
    def in_group(self) -> bool:
        return 0 < self._settled == self._group.generation

    async def close(self, *, leave: bool = True) -> None:
        await self._release()
        self.vanish()

    def vanish(self) -> None:
        """Removes the member without notice, like a killed process."""
        self._positions = {}
        if self in self._group.members:
            self._group.members.remove(self)
            self._group.changed()
            self._log.wake()

    async def _rebalance(self) -> None:
        while self._settled != self._group.generation:
            generation = self._group.generation
            if self.joined != generation:
                await self._release()
                self.joined = generation
                self._log.wake()
            share = self._group.share_of(self, self._log.partitions(self._topic))
            if share is None:
                return
            if share:
                self._positions = dict(await self._member.assigned(share))
            self._settled = generation

    async def _release(self) -> None:
        held, self._positions = sorted(self._positions), {}
        if held:
            await self._member.revoked(held)

    def _take(self, max_records: int) -> dict[int, list[Record]]:
        found = {}
        for partition, position in self._positions.items():
            if records := self._log.records(self._topic, partition, position, max_records):
                found[partition] = records
                self._positions[partition] = position + len(records)
        return found
