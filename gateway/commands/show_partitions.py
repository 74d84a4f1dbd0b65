"""Partitions of shows. A show keeps its partition for good."""

from __future__ import annotations

from typing import Any

from gateway.http.problems import Problem

MAX_SHOWS = 200_000
"""Shows kept in memory."""

_PARTITION_SQL = "SELECT partition FROM shows WHERE show_id = $1"


class ShowPartitions:
    """Cache of the partition of each show."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.known: dict[int, int] = {}
        """Show → partition; read directly on the path of a booking."""

    async def find(self, show_id: int) -> int:
        """Returns the partition of a show. Raises Problem `not_found`."""
        partition = self.known.get(show_id)
        if partition is None:
            partition = await self._pool.fetchval(_PARTITION_SQL, show_id)
            if partition is None:
                raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
            if len(self.known) >= MAX_SHOWS:
                self.known.clear()
            self.known[show_id] = partition
        return partition
