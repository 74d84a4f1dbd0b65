"""What accounts lost lately, so that an access token that is still running can be refused.

Every gateway asks twice a second which accounts were deactivated, got another role or ended their tokens.
Only those of the last hour matter: an older token has expired.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import structlog

from runtime.postgres import AWAY

POLL_EVERY_S = 0.5
_KEPT_FOR_S = 3600 + 300
# Asked again every time: a change becomes visible a moment after the time it bears.
_OVERLAP = timedelta(seconds=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_CHANGED_SQL = """
SELECT clock_timestamp() AS asked_at, u.user_id, u.role, u.active, u.tokens_from
  FROM (SELECT 1) one LEFT JOIN users u
    ON u.changed_at > coalesce($1::timestamptz, now() - make_interval(secs => $2))
"""

_log = structlog.get_logger()


class Standing(msgspec.Struct, frozen=True):
    """What an account that changed lately stands for now."""

    role: str
    active: bool
    since_us: int

    def accepts(self, role: str, since_us: int) -> bool:
        """Whether a token for this role, of a login that saw the account as of then, still holds."""
        return self.active and role == self.role and since_us >= self.since_us


def since_us(tokens_from: datetime | None) -> int:
    """When an account last ended its tokens, in µs since 1970, 0 for never.

    An access token carries this as its login found it. So no clocks are compared: a token of the same second
    is refused if its login saw the account before the change, and good if after.
    """
    return 0 if tokens_from is None else (tokens_from - _EPOCH) // timedelta(microseconds=1)


class Standings:
    """The accounts that changed within the last hour, as of at most half a second ago."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.changed: dict[int, Standing] = {}
        """Shared with `Tokens`, which looks into it at every request."""
        self._pool = pool
        self._asked_at: datetime | None = None
        self._seen_s: dict[int, float] = {}

    async def refresh(self) -> None:
        """Asks once. Whoever changes an account calls this too, so that it counts here at once."""
        since = None if self._asked_at is None else self._asked_at - _OVERLAP
        rows = await self._pool.fetch(_CHANGED_SQL, since, float(_KEPT_FOR_S))
        now_s = time.monotonic()
        for row in rows:
            if row["user_id"] is not None:
                standing = Standing(row["role"], row["active"], since_us(row["tokens_from"]))
                self.changed[row["user_id"]] = standing
                self._seen_s[row["user_id"]] = now_s
        self._asked_at = rows[0]["asked_at"]
        # In the order in which they were first seen, so a repeat keeps an entry a little longer: harmless.
        for user_id in [u for u, seen_s in self._seen_s.items() if seen_s < now_s - _KEPT_FOR_S]:
            del self._seen_s[user_id], self.changed[user_id]

    async def watch(self) -> None:
        """Asks for ever. While the database is away the last answers stand; nobody can log in meanwhile."""
        failing = False
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            try:
                await self.refresh()
                failing = False
            except (*AWAY, asyncpg.PostgresError) as error:
                if not failing:
                    _log.warning("account changes cannot be read", error=str(error) or type(error).__name__)
                failing = True
