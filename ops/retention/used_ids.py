"""Deletion of command ids that no longer count, in small batches.

One unique index over all ids finds a repeat at the commit, whichever partition it came by; so this table cannot be
partitioned by time, and is the only one whose rows are deleted.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

_PAGES = 64
"""Pages of 8 kB that one statement goes through: some thousand rows, a few milliseconds."""
_PAUSE_FACTOR = 4.0
"""Length of the pause after a statement, as a multiple of its time: a fifth of a core at most."""

_SIZE = "SELECT pg_relation_size('command_ids') / current_setting('block_size')::int"
_DELETE = """
DELETE FROM command_ids
 WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid AND at_ms < $3"""


async def delete_ids(database: Any, before_ms: int) -> int:
    """Deletes the ids that were used before a log time. Returns their number."""
    deleted = 0
    for page in range(0, await database.fetchval(_SIZE), _PAGES):
        began = time.monotonic()
        status: str = await database.execute(_DELETE, page, page + _PAGES, before_ms)
        if (rows := int(status.removeprefix("DELETE "))) > 0:
            deleted += rows
            await asyncio.sleep(_PAUSE_FACTOR * (time.monotonic() - began))
    return deleted


async def count_ids(database: Any, before_ms: int) -> int:
    """Returns the number of ids that were used before a log time."""
    counted: int = await database.fetchval("SELECT count(*) FROM command_ids WHERE at_ms < $1", before_ms)
    return counted
