"""The record of what `aisle prune` has dropped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.ids import Position

_FIRST = "SELECT partition, next_offset FROM prune_checkpoints"
_BEFORE = "SELECT what, before_ms FROM pruned"


class Pruned(msgspec.Struct, frozen=True):
    """The first decision of each partition that is kept, and log times before which rows are gone."""

    first: Mapping[int, int]
    rows_before_ms: int
    ids_before_ms: int

    def has(self, position: Position) -> bool:
        """Whether the decision at this position was dropped, or is about to be."""
        return position.offset < self.first.get(position.partition, 0)

    def may_have_been(self, first_use: Position | None, since_ms: int) -> bool:
        """Whether the first use of a command id may have been dropped: at a position, or else after a log time."""
        if first_use is not None:
            return self.has(first_use)
        return since_ms < max(self.rows_before_ms, self.ids_before_ms)

    @property
    def until(self) -> str:
        """The time before which decisions were dropped, as text."""
        return f"{datetime.fromtimestamp(self.rows_before_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


NOTHING_PRUNED = Pruned({}, 0, 0)


async def read_pruned(database: Any) -> Pruned:
    """Returns what has been dropped from this database."""
    first = {row["partition"]: row["next_offset"] for row in await database.fetch(_FIRST)}
    before = {row["what"]: row["before_ms"] for row in await database.fetch(_BEFORE)}
    return Pruned(first, before.get("decisions", 0), before.get("command_ids", 0))
