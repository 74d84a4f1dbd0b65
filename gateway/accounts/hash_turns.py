"""Turns of client addresses in the queue of password hashes, so that one address cannot fill it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.http.problems import Problem

MAX_QUEUED = 4
"""Requests of one address in the queue of hashes, a tenth of a second of work. More wait until one is done."""
MAX_WAITING = 100
"""Requests of one address that wait; with more they are rejected."""


class HashTurns:
    """Counts the requests of each address that hash a password now, or wait to."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turns] = {}

    @contextlib.asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Waits until the address has fewer than MAX_QUEUED requests inside. Raises Problem `overloaded`."""
        turns = self._turns.setdefault(address, _Turns())
        if turns.requests >= MAX_QUEUED + MAX_WAITING:
            raise Problem(
                "overloaded",
                "Too many log-ins and sign-ups from this address: try again in a moment.",
                retry_after_s=3,
            )
        turns.requests += 1
        try:
            async with turns.queued:
                yield
        finally:
            turns.requests -= 1
            if not turns.requests:
                del self._turns[address]


class _Turns:
    def __init__(self) -> None:
        self.requests = 0
        self.queued = asyncio.Semaphore(MAX_QUEUED)
