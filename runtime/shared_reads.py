"""Reads that concurrent callers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class SharedReads(Generic[KeyT, ValueT]):
    """Calls `read` once for all callers that want the same key at the same time; it keeps no result."""

    def __init__(self, read: Callable[[KeyT], Awaitable[ValueT]]) -> None:
        self._read = read
        self._in_progress: dict[KeyT, asyncio.Future[ValueT]] = {}

    async def __call__(self, key: KeyT) -> ValueT:
        """What `read` returns. Raises what it raises. A caller that is cancelled leaves the read to the others."""
        reading = self._in_progress.get(key)
        if reading is None:
            reading = self._in_progress[key] = asyncio.ensure_future(self._read(key))
            reading.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(reading)

    def _done(self, key: KeyT, reading: asyncio.Future[Any]) -> None:
        del self._in_progress[key]
        if not reading.cancelled():
            reading.exception()  # retrieved here, because there may be no caller left to retrieve it
