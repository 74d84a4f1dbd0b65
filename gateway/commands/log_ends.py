"""End offsets of the log's partitions, to find out whether a position has been written.

A position below an end offset that was read once exists for good, so the log is asked only about positions past it. A
question is never answered by a read that began before it: everything appended by then is included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

from runtime.log import LogUnavailable
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC

_TIMEOUT_S = 3.0


class _Bounded(Protocol):
    def bounds(self, topic: str) -> Awaitable[Mapping[int, tuple[int, int]]]: ...


class LogEnds:
    """End offsets of the topic of commands. One read at a time, shared by concurrent callers."""

    def __init__(self, log: _Bounded) -> None:
        self._log = log
        self._ends: dict[int, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self._next_read: asyncio.Task[None] | None = None
        """The read that has not begun yet."""

    def add(self, position: Position) -> None:
        """Notes a position that an append returned: it exists, even while the log does not answer."""
        if not self._is_known(position):
            self._ends[position.partition] = position.offset + 1

    async def has(self, position: Position) -> bool:
        """Returns whether the log has this position. Raises LogUnavailable."""
        if not self._is_known(position):
            if self._next_read is None:
                self._next_read = asyncio.create_task(self._read(), name="log ends")
            await asyncio.shield(self._next_read)
        return self._is_known(position)

    def _is_known(self, position: Position) -> bool:
        return position.offset < self._ends.get(position.partition, 0)

    async def _read(self) -> None:
        async with self._one_at_a_time:
            self._next_read = None
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    bounds = await self._log.bounds(COMMANDS_TOPIC)
            except TimeoutError as error:
                raise LogUnavailable(f"the log gave no answer in {_TIMEOUT_S:.0f} s") from error
            for partition, (_, end) in bounds.items():
                self._ends[partition] = max(end, self._ends.get(partition, 0))
