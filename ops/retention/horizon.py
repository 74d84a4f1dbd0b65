"""The time before which nothing is needed any more: the retention period, and what has not been read yet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.log import Log
from runtime.retention_period import SHORTEST_S, write_retention
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC

_IDS_MS = (SHORTEST_S + 3600) * 1000
"""Lifetime of a command id, and an hour for clocks that differ."""

_PARTITIONS = """
SELECT p.partition, p.next_offset, p.published_offset, p.last_ms, coalesce(r.next_offset, 0) AS reported
  FROM partitions p LEFT JOIN report_progress r USING (partition) ORDER BY partition"""
_DECIDED_AT = """
SELECT at_ms FROM decisions WHERE partition = $1 AND log_offset >= $2 ORDER BY log_offset LIMIT 1"""
_READ_EVENTS = "SELECT partition, next_offset FROM consumer_offsets WHERE consumer = $1"
_READERS = {"notifier": "the notifier has read", "webhooks": "webhooks have read"}
_UNSETTLED = "SELECT extract(epoch FROM min(asked_at)) * 1000 FROM show_requests WHERE accepted IS NULL"


class Bound(msgspec.Struct, frozen=True):
    """A time before which something is not needed, Unix milliseconds, and what needs the rest."""

    before_ms: int
    reason: str


class Horizon(msgspec.Struct, frozen=True):
    """What may go: rows of log and decisions before `rows.before_ms`, command ids before `ids.before_ms`."""

    rows: Bound
    ids: Bound


async def find_horizon(database: Any, log: Log, keep_s: int, now_ms: int) -> Horizon:
    """Returns the earliest of all bounds."""
    commands = await log.bounds(COMMANDS_TOPIC)
    states = {row["partition"]: row for row in await database.fetch(_PARTITIONS)}
    rows = [Bound(now_ms - keep_s * 1000, f"the last {write_retention(keep_s)} are kept")]
    ids = [Bound(now_ms - _IDS_MS, "a command id counts for 48 hours")]
    for partition, (begin, end) in sorted(commands.items()):
        state = states.get(partition)
        next_offset = begin if state is None else state["next_offset"]
        if next_offset < end:
            [record] = await log.read(COMMANDS_TOPIC, partition, next_offset, 1)
            due_ms = max(record.at_ms, 0 if state is None else state["last_ms"])
            reason = f"partition {partition} is decided up to {_time(due_ms)} only"
            rows.append(Bound(due_ms - _IDS_MS, reason))
            ids.append(Bound(due_ms - _IDS_MS, reason))
    for partition, state in states.items():
        for offset, what in (
            (state["published_offset"], "its events are published"),
            (state["reported"], "reports have read it"),
        ):
            if offset < state["next_offset"]:
                at_ms = await database.fetchval(_DECIDED_AT, partition, offset)
                if at_ms is not None:
                    rows.append(Bound(at_ms, f"partition {partition}: {what} up to {_time(at_ms)} only"))
    rows += await _unread_events(database, log)
    if (asked_ms := await database.fetchval(_UNSETTLED)) is not None:
        reason = f"a change of a show asked for at {_time(int(asked_ms))} is not in the catalogue yet"
        rows.append(Bound(int(asked_ms) - _IDS_MS, reason))
        ids.append(Bound(int(asked_ms) - _IDS_MS, reason))
    # A repeat is answered from the decision of its first use, as long as that counts.
    rows.append(Bound(min(ids, key=_before).before_ms, min(ids, key=_before).reason))
    return Horizon(min(rows, key=_before), min(ids, key=_before))


async def _unread_events(database: Any, log: Log) -> list[Bound]:
    """Returns a bound for each partition whose events e-mails or webhooks have not read to the end."""
    found = []
    for consumer, has_read in _READERS.items():
        read = dict(await database.fetch(_READ_EVENTS, consumer))
        for partition, (begin, end) in (await log.bounds(EVENTS_TOPIC)).items():
            next_offset = max(read.get(partition, begin), begin)
            if next_offset < end:
                [record] = await log.read(EVENTS_TOPIC, partition, next_offset, 1)
                reason = f"{has_read} the events of partition {partition} up to {_time(record.at_ms)} only"
                found.append(Bound(record.at_ms, reason))
    return found


def _before(bound: Bound) -> int:
    return bound.before_ms


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
