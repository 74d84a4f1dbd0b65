"""Ends of the log's partitions: whether a position has been written.

A position below an end that was seen once exists for good, so the log is asked only about positions past it. A
question is never answered by a look-up that began before it: whatever was appended by then is seen.
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
    """Answers whether the commands' log has a position; one look-up at a time, shared by concurrent callers."""

    def __init__(self, log: _Bounded) -> None:
        self._log = log
        self._ends: dict[int, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        """The look-up that has not begun yet."""

    def given(self, position: Position) -> None:
        """Notes a position that an append returned: it exists, also while the log does not answer."""
        if not self._seen(position):
            self._ends[position.partition] = position.offset + 1

    async def has(self, position: Position) -> bool:
        """Whether the log has this position. Raises LogUnavailable."""
        if not self._seen(position):
            if self._next is None:
                self._next = asyncio.create_task(self._look(), name="log ends")
            await asyncio.shield(self._next)
        return self._seen(position)

    def _seen(self, position: Position) -> bool:
        return position.offset < self._ends.get(position.partition, 0)

    async def _look(self) -> None:
        async with self._one_at_a_time:
            self._next = None
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    bounds = await self._log.bounds(COMMANDS_TOPIC)
            except TimeoutError as error:
                raise LogUnavailable(f"the log gave no answer in {_TIMEOUT_S:.0f} s") from error
            for partition, (_, end) in bounds.items():
                self._ends[partition] = max(end, self._ends.get(partition, 0))
