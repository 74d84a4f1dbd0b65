"""What has arrived and is not decided yet, in log order of each partition.

Nothing stays here for long, unless a partition waits for one of its shows to be loaded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Sequence
from typing import TypeAlias

from runtime.log import Record
from schemas.commands import Command

MAX_QUEUED = 10_000
"""Records of one partition. Those that come after are left in the log, to be read again."""

Read: TypeAlias = tuple[Record, Command | None]
"""A record, and the command in it, if there is one."""


class Backlog:
    """Records by partition. One partition can wait while the others go on."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Read]] = {}

    def has_room(self, partition: int) -> bool:
        """Whether this partition's next records can be added."""
        return len(self._waiting.get(partition, ())) < MAX_QUEUED

    def add(self, partition: int, read: Iterable[Read]) -> None:
        """Records that follow those which are here."""
        self._waiting.setdefault(partition, deque()).extend(read)

    def ready(self, blocked_partitions: Container[int]) -> int:
        """How many records of partitions that are not held up."""
        return sum(
            [len(read) for partition, read in self._waiting.items() if partition not in blocked_partitions]
        )

    def take(self, most: int, blocked_partitions: Container[int]) -> list[Read]:
        """The next records of every partition that is not held up, at most `most` of each."""
        taken: list[Read] = []
        for partition in sorted(self._waiting):
            if partition not in blocked_partitions:
                taken += self._take_from(partition, most)
        return taken

    def take_one(self, blocked_partitions: Container[int]) -> list[Read]:
        """The next record of one partition that is not held up; of another one the next time."""
        partition = next((one for one in self._waiting if one not in blocked_partitions), None)
        if partition is None:
            return []
        taken = self._take_from(partition, 1)
        if partition in self._waiting:
            self._waiting[partition] = self._waiting.pop(partition)
        return taken

    def requeue(self, read: Sequence[Read]) -> None:
        """Records that were taken last and are not decided."""
        for one in reversed(read):
            self._waiting.setdefault(one[0].partition, deque()).appendleft(one)

    def drop(self, partitions: Iterable[int]) -> None:
        """Forgets these partitions: somebody else decides them, or they are read again."""
        for partition in partitions:
            self._waiting.pop(partition, None)

    def _take_from(self, partition: int, most: int) -> list[Read]:
        waiting = self._waiting[partition]
        if len(waiting) <= most:
            del self._waiting[partition]
            return list(waiting)
        return [waiting.popleft() for _ in range(most)]
