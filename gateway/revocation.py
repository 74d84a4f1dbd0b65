"""Token revocation: accounts deactivated, demoted or logged out within the lifetime of an access token.

PostgreSQL gives every such change of an account the next number of one counter, whose row stays locked until the
change is committed: numbers become visible in their order, and no clock is involved. An access token carries the
number that its login found at the account; it holds for as long as the account has no higher one. So a role that is
given back does not revive tokens of before.

A gateway reads the numbers several times a second. Before it trusts a token on a read that began more than MAX_AGE_S
ago, it reads again; while PostgreSQL cannot be read, calls that need a login are refused as `database_unavailable`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg
import structlog

from runtime.postgres import AWAY

MAX_AGE_S = 1.0
"""Age up to which a read is trusted, counted from its beginning. A read that takes longer has failed."""
READ_EVERY_S = 0.3
_KEPT_FOR_S = 2 * 3600.0
"""Twice the lifetime of an access token: no token is older than a change that is forgotten."""
_ATTEMPTS = 5

_LAST_SQL = """
SELECT v.last, u.user_id, u.token_version
  FROM token_versions v LEFT JOIN users u
    ON u.token_version > 0 AND u.changed_at > now() - make_interval(secs => $1)
"""
_SINCE_SQL = """
SELECT v.last, u.user_id, u.token_version
  FROM token_versions v LEFT JOIN users u ON u.token_version > 0 AND u.token_version > $1
"""

_log = structlog.get_logger()


class RevocationsOutdated(Exception):
    """What is known of revoked tokens is too old to trust one: `ensure_fresh`, then verify again."""


class Revocations:
    """The token versions of the accounts that changed lately."""

    def __init__(self, pool: asyncpg.Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self.versions: dict[int, int] = {}
        """Account → the lowest version that its access tokens need. Shared with `Tokens`."""
        self._pool = pool
        self._clock = clock
        self._last: int | None = None
        self._began_s = float("-inf")
        """When the last read that succeeded began."""
        self._reading: asyncio.Task[None] | None = None
        self._found_s: dict[int, float] = {}

    def is_fresh(self) -> bool:
        """Whether a token may be trusted now."""
        return self._clock() - self._began_s <= MAX_AGE_S

    async def ensure_fresh(self) -> None:
        """Returns with a read that is young enough. Raises one of `AWAY` where PostgreSQL cannot be read."""
        for _ in range(_ATTEMPTS):
            if self.is_fresh():
                return
            if self._reading is None:
                self._reading = asyncio.create_task(self.refresh())
                self._reading.add_done_callback(self._read)
            await asyncio.shield(self._reading)
        raise TimeoutError("this process is too busy to read which tokens were revoked")

    async def refresh(self) -> None:
        """Reads what has changed since the last time. Raises one of `AWAY`.

        A change that was committed before this is called counts once it returns.
        """
        began_s = self._clock()
        async with asyncio.timeout(MAX_AGE_S):
            rows = await self._changed()
        if self._last is not None and rows[0]["last"] < self._last:
            # A database restored from a backup counts from before.
            self._last = None
            async with asyncio.timeout(MAX_AGE_S):
                rows = await self._changed()
        for row in rows:
            if row["user_id"] is not None and row["token_version"] >= self.versions.get(row["user_id"], 0):
                self.versions[row["user_id"]] = row["token_version"]
                self._found_s[row["user_id"]] = began_s
        self._last = max(rows[0]["last"], self._last or 0)
        self._began_s = max(began_s, self._began_s)
        for user_id in [u for u, found_s in self._found_s.items() if found_s < began_s - _KEPT_FOR_S]:
            del self._found_s[user_id], self.versions[user_id]

    async def watch(self) -> None:
        """Reads again and again, for ever."""
        failing = False
        while True:
            await asyncio.sleep(READ_EVERY_S)
            try:
                await self.refresh()
                failing = False
            except (*AWAY, asyncpg.PostgresError) as error:
                if not failing:
                    _log.warning("revocations_unreadable", error=str(error) or type(error).__name__)
                failing = True

    async def _changed(self) -> list[asyncpg.Record]:
        if self._last is None:
            return list(await self._pool.fetch(_LAST_SQL, _KEPT_FOR_S))
        return list(await self._pool.fetch(_SINCE_SQL, self._last))

    def _read(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # has been raised to those who await it
