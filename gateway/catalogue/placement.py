"""Placement of new shows: the partition with the fewest seats on sale, or the one that staff name.

A show keeps its partition. Partitions are those of the log at the gateway's start, and all that a seat worker has taken
since: an added one gets its first show when it has its worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Serialised, so that shows created concurrently do not all choose the same partition, or one that is being reserved.
PLACING_LOCK_SQL = "SELECT pg_advisory_xact_lock(0x4149534C45)"
_CHOOSE_SQL = """
SELECT known.partition
  FROM (SELECT unnest($1::int[]) AS partition UNION SELECT partition FROM partitions WHERE epoch > 0) known
  LEFT JOIN reserved_partitions reserved USING (partition)
  LEFT JOIN (
       SELECT s.partition, sum(coalesce(st.available, l.total_seats)) AS on_sale, count(*) AS shows
         FROM shows s JOIN layouts l ON l.layout_id = s.layout_id LEFT JOIN show_states st ON st.show_id = s.show_id
        WHERE s.starts_at > now() AND coalesce(st.status, 'open') = 'open' GROUP BY s.partition
  ) load USING (partition)
 ORDER BY reserved.partition IS NOT NULL, coalesce(load.on_sale, 0), coalesce(load.shows, 0), known.partition LIMIT 1
"""
_EXISTS_SQL = (
    "SELECT $2 = ANY ($1::int[]) OR EXISTS (SELECT FROM partitions WHERE partition = $2 AND epoch > 0)"
)


class UnknownPartition(Exception):
    """The log has no such partition, or no seat worker has taken it yet."""


async def place(connection: Any, partitions: Sequence[int], wanted: int | None) -> int:
    """Returns the partition of a new show, until the end of the connection's transaction the only one being placed.

    `partitions`: those of the log when they were last read. `wanted` may be reserved. Raises UnknownPartition.
    """
    await connection.execute(PLACING_LOCK_SQL)
    if wanted is None:
        chosen: int = await connection.fetchval(_CHOOSE_SQL, list(partitions))
        return chosen
    if not await connection.fetchval(_EXISTS_SQL, list(partitions), wanted):
        raise UnknownPartition
    return wanted
