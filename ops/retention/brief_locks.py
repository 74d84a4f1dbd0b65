"""Changes of tables that are in use: a lock is waited for so briefly that no commit waits behind it."""

from __future__ import annotations

from typing import Any

import asyncpg

from runtime.process import CannotStart
from runtime.retries import retry

_LOCK_WAIT_MS = 20
"""A statement that waits for a lock makes every later one wait behind it: this is the most that a commit waits."""
_GIVE_UP_S = 30.0

_READERS = """
SELECT a.application_name, a.pid, extract(epoch FROM now() - a.xact_start)::int AS age_s
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.relation = $1::text::regclass AND l.granted AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL
 ORDER BY a.xact_start LIMIT 1"""


class TableInUse(CannotStart):
    """A long transaction keeps a lock on a table. The message names it."""


async def change_briefly(database: Any, table: str, statements: str) -> None:
    """Executes statements in one transaction, as soon as their locks on `table` are free. Raises TableInUse."""

    async def attempt() -> None:
        async with database.transaction():
            await database.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_MS}ms'")
            await database.execute(statements)

    try:
        await retry(
            attempt,
            asyncpg.LockNotAvailableError,
            first_s=0.05,
            longest_s=1.0,
            give_up_s=_GIVE_UP_S,
            on_retry=lambda _: None,
        )
    except asyncpg.LockNotAvailableError:
        reader = await database.fetchrow(_READERS, table)
        who = "a transaction" if reader is None else f"{reader[0] or 'a program'} (pid {reader[1]})"
        age = "" if reader is None else f" for {reader[2]} s"
        raise TableInUse(
            f"{who} has been using {table}{age}: it is not changed while that runs; run `aisle prune` again later"
        ) from None
