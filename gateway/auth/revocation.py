"""Token revocation: accounts deactivated, demoted or logged out within the lifetime of an access token.

PostgreSQL gives every such change of an account the next version from one counter, whose row stays locked until the
change is committed: versions become visible in order, and no clock is involved. An access token carries the version
of its account at the login, and is valid while the account has no higher one. So restoring a role does not revive
older tokens.

A gateway reads new versions several times a second. If its last read began more than MAX_AGE_S ago, it reads again
before it accepts a token. While PostgreSQL is unavailable, calls that need a login fail with `database_unavailable`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg

from runtime.polling import poll

MAX_AGE_S = 1.0
"""Maximum age of a read, counted from its start; also the timeout of a read."""
READ_EVERY_S = 0.3
_RETENTION_S = 2 * 3600.0
"""Twice the lifetime of an access token: every token older than a dropped version has expired."""
_ATTEMPTS = 5
"""Reads within `ensure_fresh` before it gives up."""

_LAST_SQL = """
SELECT v.last, u.user_id, u.token_version
  FROM token_versions v LEFT JOIN users u
    ON u.token_version > 0 AND u.changed_at > now() - make_interval(secs => $1)
"""
_SINCE_SQL = """
SELECT v.last, u.user_id, u.token_version
  FROM token_versions v LEFT JOIN users u ON u.token_version > 0 AND u.token_version > $1
"""


class RevocationsOutdated(Exception):
    """The last read of revocations is too old: call `ensure_fresh`, then verify again."""


class Revocations:
    """Token versions of recently changed accounts, read from PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self.versions: dict[int, int] = {}
        """Account → the lowest token version that it accepts. Shared with `Tokens`."""
        self._pool = pool
        self._clock = clock
        self._last: int | None = None
        self._began_s = float("-inf")
        """Start of the last successful read."""
        self._reading: asyncio.Task[None] | None = None
        self._read_at_s: dict[int, float] = {}
        """Account → the read that found its latest version."""

    def is_fresh(self) -> bool:
        """True if the last read is recent enough to verify tokens."""
        return self._clock() - self._began_s <= MAX_AGE_S

    async def ensure_fresh(self) -> None:
        """Waits until the last read is recent enough. Raises one of `UNAVAILABLE` while PostgreSQL is unavailable."""
        for _ in range(_ATTEMPTS):
            if self.is_fresh():
                return
            if self._reading is None:
                self._reading = asyncio.create_task(self.refresh())
                self._reading.add_done_callback(self._read_done)
            await asyncio.shield(self._reading)
        raise TimeoutError("this process is too busy to read which tokens were revoked")

    async def refresh(self) -> None:
        """Reads the changes since the last read. Raises one of `UNAVAILABLE`.

        Every change that was committed before the call is in effect when it returns.
        """
        began_s = self._clock()
        async with asyncio.timeout(MAX_AGE_S):
            rows = await self._changed()
        if self._last is not None and rows[0]["last"] < self._last:
            # A database restored from a backup has a lower counter.
            self._last = None
            async with asyncio.timeout(MAX_AGE_S):
                rows = await self._changed()
        for row in rows:
            if row["user_id"] is not None and row["token_version"] >= self.versions.get(row["user_id"], 0):
                self.versions[row["user_id"]] = row["token_version"]
                self._read_at_s[row["user_id"]] = began_s
        self._last = max(rows[0]["last"], self._last or 0)
        self._began_s = max(began_s, self._began_s)
        for user_id in [u for u, read_at_s in self._read_at_s.items() if read_at_s < began_s - _RETENTION_S]:
            del self._read_at_s[user_id], self.versions[user_id]

    async def watch(self) -> None:
        """Reads every READ_EVERY_S seconds, until cancelled."""
        await poll("token revocations", self.refresh, every_s=READ_EVERY_S)

    async def _changed(self) -> list[asyncpg.Record]:
        if self._last is None:
            return list(await self._pool.fetch(_LAST_SQL, _RETENTION_S))
        return list(await self._pool.fetch(_SINCE_SQL, self._last))

    def _read_done(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # marked as retrieved: the callers of `ensure_fresh` receive it
