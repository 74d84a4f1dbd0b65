"""The log in memory behind the simulated network, with a clock that may be set back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from runtime.log import LogUnavailable, Member, Record
from runtime.log.in_memory import MemoryLog, MemoryReader
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.simulation.loop import current_part
from tests.simulation.network import Line, Network
from tests.simulation.observations import Observations, Published


class SimulatedLog(MemoryLog):
    """A log whose records have the time of its clock, even if that was set back, as Kafka's do."""

    network: Network
    observations: Observations
    random: Random
    away: set[str]
    """Topics that are unavailable."""
    appends_in_transit = 0
    """Number of appends that were sent and have not arrived."""

    def put(self, topic: str, partition: int, body: bytes) -> int:
        self.check(topic, partition, body)
        held = self._partition(topic, partition)
        held.append(Record(partition, len(held), self._clock(), body))
        self.wake()
        return len(held) - 1

    def appender(self, topic: str) -> SimulatedAppender:  # type: ignore[override]
        return SimulatedAppender(self, topic)

    def reader(self, topic: str, group: str, member: Member) -> SimulatedReader:
        shared = super().reader(topic, group, member)._group
        return SimulatedReader(self, topic, shared, member)


class SimulatedAppender:
    """One process's appender to one topic. Its records arrive in order."""

    def __init__(self, log: SimulatedLog, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._line = Line()

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        return asyncio.ensure_future(self._append(partition, body))

    async def _append(self, partition: int, body: bytes) -> int:
        return (await self.append_many([(partition, body)]))[0]

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        network, faults = self._log.network, self._log.network.faults
        part = current_part().name
        if network.happens(faults.append_refused):
            refused = LogUnavailable("the log refuses appends")
            return await network.call(list[int], line=self._line, cut=refused, cut_before=True)
        if current_part().dead:
            raise asyncio.CancelledError
        self._log.appends_in_transit += 1
        if network.happens(faults.append_answer_lost):
            lost = LogUnavailable("the answer to an append was lost", outcome_unknown=True)
            return await network.call(lambda: self._put(part, records), line=self._line, cut=lost)
        return await network.call(lambda: self._put(part, records), line=self._line)

    def _put(self, part: str, records: Sequence[tuple[int, bytes]]) -> list[int]:
        log, network = self._log, self._log.network
        log.appends_in_transit -= 1
        if self._topic in log.away:
            raise LogUnavailable("the log is away")
        offsets = [log.put(self._topic, partition, body) for partition, body in records]
        for (partition, body), offset in zip(records, offsets, strict=True):
            log.observations.log(part, "appends to", f"{self._topic} {partition}-{offset}", body)
            if self._topic == EVENTS_TOPIC:
                log.observations.published.append(Published(log.observations.count(), part, "events", body))
        if network.happens(network.faults.append_twice):
            for partition, body in records:
                again = log.put(self._topic, partition, body)
                log.observations.log("log", "duplicates", f"{self._topic} {partition}-{again}")
        return offsets

    async def close(self) -> None:
        """Does nothing: no resources are held."""


class SimulatedReader(MemoryReader):
    """A member that can lose its partitions without notice, as one whose session has timed out."""

    log: SimulatedLog

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        log: SimulatedLog = self._log  # type: ignore[assignment]
        if current_part().dead:
            raise asyncio.CancelledError
        network = log.network
        if self._topic in log.away or network.happens(network.faults.poll_fails):
            raise LogUnavailable("the log is unavailable")
        if log.random.random() < 0.3:
            max_records = min(max_records, 1 + int(4 * log.random.random()))
        found = await super().poll(max_records=max_records, wait_s=wait_s)
        if found:
            await asyncio.sleep(network.delay_s())
        return found

    async def close(self, *, leave: bool = True) -> None:
        if current_part().dead:
            raise asyncio.CancelledError
        await super().close(leave=leave)

    def evict(self) -> None:
        """Removes this member from its group without notice."""
        if self in self._group.members:
            self._group.members.remove(self)
            self._group.changed()
            self._log.wake()

    def force_rebalance(self) -> None:
        """Makes the group revoke all partitions and assign them anew."""
        self._group.changed()
        self._log.wake()

    async def _rebalance(self) -> None:
        while self._settled != self._group.generation or self not in self._group.members:
            if self not in self._group.members:
                self._group.members.append(self)
                self._group.changed()
            generation = self._group.generation
            if self.joined != generation:
                await self._release()
                self.joined = generation
                self._log.wake()
                continue
            share = self._group.share_of(self, self._log.partitions(self._topic))
            if share is None:
                return
            if share:
                self._positions = dict(await self._member.assigned(share))
            self._settled = generation


__all__ = ["COMMANDS_TOPIC", "EVENTS_TOPIC", "SimulatedAppender", "SimulatedLog", "SimulatedReader"]
