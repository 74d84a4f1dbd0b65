"""History of one show, read from the stored decisions: for `aisle explain` and `aisle rebuild`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from schemas.events import Event
from seat_workers.fold import DecidedRecord

_PAGE = 1_000

# Workers write the column `answer`, so the show's number always has this form in its events.
_CHANGES = """
    SELECT log_offset, at_ms, command, answer FROM decisions
     WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3 AND position($4::bytea IN answer) > 0
     ORDER BY log_offset LIMIT $5"""
_PARTITION = "SELECT partition FROM show_states WHERE show_id = $1"
_PLACED = "SELECT partition FROM shows WHERE show_id = $1"


async def partition_of(database: Any, show_id: int) -> int | None:
    """Returns the partition of a show: of its opening or, before that, of its placement. None without such a show."""
    for query in (_PARTITION, _PLACED):
        partition: int | None = await database.fetchval(query, show_id)
        if partition is not None:
            return partition
    return None


async def changes_of(
    database: Any, partition: int, show_id: int, start: int, end: int
) -> AsyncIterator[DecidedRecord]:
    """Yields the decisions with start ≤ offset < end that changed this show, in log order."""
    sought = f'"show_id":{show_id},'.encode()
    while start < end:
        rows = await database.fetch(_CHANGES, partition, start, end, sought, _PAGE)
        for offset, at_ms, command, answer in rows:
            decided = DecidedRecord.stored(partition, offset, at_ms, command, answer)
            if any(show_of(event) == show_id for event in decided.decision.events):
                yield decided
        start = rows[-1]["log_offset"] + 1 if len(rows) == _PAGE else end


def show_of(event: Event) -> int:
    """Returns the show of an event."""
    booking = getattr(event, "booking", None)
    show_id: int = event.show_id if booking is None else booking.show_id  # type: ignore[union-attr]
    return show_id
