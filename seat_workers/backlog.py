"""The backlog of a seat worker: records that have arrived and are not decided yet, in log order per partition.

Records stay here for one turn of the loop, or for as long as their partition is blocked by a show that is loading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Sequence
from typing import TypeAlias

from runtime.log import Record
from schemas.commands import Command

MAX_QUEUED = 10_000
"""Records of one partition. Later ones are left in the log and read again."""

DecodedRecord: TypeAlias = tuple[Record, Command | None]
"""A record and its command; None for a record that is not a command."""


class Backlog:
    """Queues of records, one a partition, so that a blocked partition does not delay the others."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[DecodedRecord]] = {}

    def has_room(self, partition: int) -> bool:
        """Whether this partition's next records can be added."""
        return len(self._queues.get(partition, ())) < MAX_QUEUED

    def add(self, partition: int, records: Iterable[DecodedRecord]) -> None:
        """Adds records that follow the queued ones in the log."""
        self._queues.setdefault(partition, deque()).extend(records)

    def ready(self, blocked: Container[int]) -> int:
        """The number of records on partitions that are not blocked."""
        return sum([len(queue) for partition, queue in self._queues.items() if partition not in blocked])

    def take(self, most: int, blocked: Container[int]) -> list[DecodedRecord]:
        """Takes the next records of every partition that is not blocked, at most `most` of each."""
        taken: list[DecodedRecord] = []
        for partition in sorted(self._queues):
            if partition not in blocked:
                taken += self._take_from(partition, most)
        return taken

    def take_one(self, blocked: Container[int]) -> list[DecodedRecord]:
        """Takes the next record of one partition that is not blocked, of each partition in turn."""
        partition = next((one for one in self._queues if one not in blocked), None)
        if partition is None:
            return []
        taken = self._take_from(partition, 1)
        if partition in self._queues:
            self._queues[partition] = self._queues.pop(partition)
        return taken

    def requeue(self, records: Sequence[DecodedRecord]) -> None:
        """Returns records that were taken last and are not decided, in front of their queues."""
        for one in reversed(records):
            self._queues.setdefault(one[0].partition, deque()).appendleft(one)

    def drop(self, partitions: Iterable[int]) -> None:
        """Removes the records of partitions that were revoked, or are read again."""
        for partition in partitions:
            self._queues.pop(partition, None)

    def _take_from(self, partition: int, most: int) -> list[DecodedRecord]:
        queue = self._queues[partition]
        if len(queue) <= most:
            del self._queues[partition]
            return list(queue)
        return [queue.popleft() for _ in range(most)]
