"""The log of a test, with further connections from this or another process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from runtime.log import Log, Reader, Record
from runtime.log.in_memory import MemoryLog
from runtime.log.kafka import KafkaLog
from runtime.log.postgres import PostgresLog


class Place:
    """One log, for which `open` gives as many connections as wanted."""

    def __init__(self, kind: str, where: str = "", prefix: str = "") -> None:
        self.kind = kind
        self.where = where
        self.prefix = prefix
        self._memory = MemoryLog(lambda: int(time.time() * 1000))

    def open(self) -> Log:
        match self.kind:
            case "postgres":
                return PostgresLog(self.where)
            case "kafka":
                return KafkaLog(self.where, prefix=self.prefix)
            case _:
                return self._memory

    def arguments(self) -> list[str]:
        """What another process needs to open the same log."""
        return [self.kind, self.where, self.prefix]


class Follower:
    """A member that starts every partition at the offset it was given, 0 where it was given none."""

    def __init__(self, offsets: Mapping[int, int] | None = None) -> None:
        self.offsets = dict(offsets or {})
        self.held: set[int] = set()
        self.told: list[tuple[str, list[int]]] = []

    async def assigned(self, partitions: Sequence[int]) -> dict[int, int]:
        assert self.held.isdisjoint(partitions)
        self.held.update(partitions)
        self.told.append(("assigned", list(partitions)))
        return {partition: self.offsets.get(partition, 0) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        assert self.held.issuperset(partitions)
        self.held.difference_update(partitions)
        self.told.append(("revoked", list(partitions)))


async def read_until(
    reader: Reader, enough: Callable[[list[Record]], bool], *, max_records: int = 100, within_s: float = 20
) -> list[Record]:
    """Polls until what has been read is enough."""
    found: list[Record] = []
    deadline = time.monotonic() + within_s
    while not enough(found):
        assert time.monotonic() < deadline, f"only {len(found)} records within {within_s} s"
        for records in (await reader.poll(max_records=max_records, wait_s=0.2)).values():
            found += records
    return found


async def _append_for_ever(place: Place, topic: str, partitions: int, name: str) -> None:
    """Appends from many tasks at once and says on stdout what was confirmed, until somebody ends it."""
    appender = place.open().appender(topic)

    async def append(task: int) -> None:
        for n in range(sys.maxsize):
            body = f"{name}-{task}-{n}"
            partition = (task + n) % partitions
            offset = await appender.append(partition, body.encode())
            sys.stdout.write(f"{partition} {offset} {body}\n")
            sys.stdout.flush()

    await asyncio.gather(*[append(task) for task in range(32)])


if __name__ == "__main__":
    _, kind, where, prefix, topic, partitions, name = sys.argv
    asyncio.run(_append_for_ever(Place(kind, where, prefix), topic, int(partitions), name))
