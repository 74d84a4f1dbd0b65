"""The log of a test, with further connections from this or another process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import pytest

from runtime.log import Log, Reader, Record
from runtime.log.in_memory import MemoryLog
from runtime.log.kafka import KafkaLog
from runtime.log.postgres import PostgresLog
from schemas.wire import COMMANDS_TOPIC

PARTITIONS = 4
TOPIC = COMMANDS_TOPIC
GROUP = "readers"

KINDS = ["memory", "postgres", pytest.param("kafka", marks=pytest.mark.kafka)]

every_log = pytest.mark.parametrize("place", KINDS, indirect=True)
every_log_between_processes = pytest.mark.parametrize("place", KINDS[1:], indirect=True)


class Place:
    """One log. Each call of `open` makes a connection."""

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
        """Arguments with which another process opens the same log."""
        return [self.kind, self.where, self.prefix]


class Follower:
    """A member that starts each partition at the given offset, by default 0, and records its notices."""

    def __init__(self, offsets: Mapping[int, int] | None = None) -> None:
        self.offsets = dict(offsets or {})
        self.held: set[int] = set()
        self.notices: list[tuple[str, list[int]]] = []

    async def assigned(self, partitions: Sequence[int]) -> dict[int, int]:
        assert self.held.isdisjoint(partitions)
        self.held.update(partitions)
        self.notices.append(("assigned", list(partitions)))
        return {partition: self.offsets.get(partition, 0) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        assert self.held.issuperset(partitions)
        self.held.difference_update(partitions)
        self.notices.append(("revoked", list(partitions)))


async def read_until(
    reader: Reader, enough: Callable[[list[Record]], bool], *, max_records: int = 100, within_s: float = 20
) -> list[Record]:
    """Polls until `enough` is true of the records read."""
    found: list[Record] = []
    deadline = time.monotonic() + within_s
    while not enough(found):
        assert time.monotonic() < deadline, f"only {len(found)} records within {within_s} s"
        for records in (await reader.poll(max_records=max_records, wait_s=0.2)).values():
            found += records
    return found


async def _append_for_ever(place: Place, topic: str, partitions: int, name: str) -> None:
    """Appends from many concurrent tasks, and prints each confirmed record, until the process is killed."""
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
