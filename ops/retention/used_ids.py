"""Deletion of command ids that no longer count, and of old scans at the door, in small batches.

One unique index over all ids finds a repeat at the commit, whichever partition it came by; so that table cannot be
partitioned by time, and its rows are deleted. Scans are few: a row for each seat that somebody took.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

_PAGES = 64
"""Pages of 8 kB that one statement goes through: some thousand rows, a few milliseconds."""
_PAUSE_FACTOR = 4.0
"""Length of the pause after a statement, as a multiple of its time: a fifth of a core at most."""

_SIZE = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int"
_DELETE = """
DELETE FROM {table}
 WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid AND {time} < $3"""


async def delete_ids(database: Any, before_ms: int) -> int:
    """Deletes the ids that were used before a log time. Returns their number."""
    return await _delete(database, "command_ids", "at_ms", before_ms)


async def delete_scans(database: Any, before_ms: int) -> int:
    """Deletes the scans that were decided before a log time. Returns their number."""
    return await _delete(database, "check_ins", "decided_ms", before_ms)


async def _delete(database: Any, table: str, time_column: str, before_ms: int) -> int:
    delete = _DELETE.format(table=table, time=time_column)
    deleted = 0
    for page in range(0, await database.fetchval(_SIZE, table), _PAGES):
        began = time.monotonic()
        status: str = await database.execute(delete, page, page + _PAGES, before_ms)
        if (rows := int(status.removeprefix("DELETE "))) > 0:
            deleted += rows
            await asyncio.sleep(_PAUSE_FACTOR * (time.monotonic() - began))
    return deleted


async def count_ids(database: Any, before_ms: int) -> int:
    """Returns the number of ids that were used before a log time."""
    counted: int = await database.fetchval("SELECT count(*) FROM command_ids WHERE at_ms < $1", before_ms)
    return counted
