"""`aisle prune`: drops what is older than the retention period, and makes the parts of the coming time.

Nothing is dropped that was not decided again with the same result: the shows as the dropped decisions left them are
then stored in a checkpoint, so that a show that is still on sale keeps nothing. After that, whole parts are dropped.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from ops.audit.checkpoints import PRUNED, advance_checkpoint, read_checkpoints, restore_on_demand
from ops.audit.findings import Findings
from ops.audit.pruned import read_pruned
from ops.audit.replay import Replay
from ops.retention.horizon import Horizon, find_horizon
from ops.retention.parts import PRUNE_LOCK, Part, drop_orphans, drop_part, make_parts, parts_of, width_ms
from ops.retention.used_ids import count_ids, delete_ids, delete_scans
from runtime import postgres
from runtime.log import Log
from runtime.process import CannotStart
from schemas.wire import COMMANDS_TOPIC

TABLES = ("log", "decisions")
REPORTS = "report_customer_days"
"""The figures of each customer and day. Those by show and day, and each customer's sums, are small, and kept."""

_TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
_PARTITIONS = "SELECT partition, next_offset FROM partitions ORDER BY partition"
_FIRST_SINCE = """
SELECT log_offset FROM decisions WHERE partition = $1 AND at_ms >= $2 ORDER BY log_offset LIMIT 1"""
_NOTE = """
INSERT INTO pruned (what, before_ms) VALUES ($1, $2)
    ON CONFLICT (what) DO UPDATE SET before_ms = greatest(pruned.before_ms, excluded.before_ms), at = now()"""


class Prune:
    """One run on a database, with its lines of output."""

    def __init__(
        self, database: Any, log: Log, keep_s: int, now_ms: int, reports_s: int | None = None
    ) -> None:
        self._database = database
        self._log = log
        self._keep_s = keep_s
        self._now_ms = now_ms
        self._reports_s = reports_s
        """Retention period of the figures by customer and day; None: they are kept."""
        self.lines: list[str] = []

    async def look(self) -> None:
        """Adds what a run would drop, and changes nothing."""
        horizon = await find_horizon(self._database, self._log, self._keep_s, self._now_ms)
        self._say_horizon(horizon)
        for table in TABLES:
            for part in await self._droppable(table, horizon):
                self.lines.append(f"Would drop {_describe(part)}.")
            await self._say_rest(table, horizon)
        if self._reports_s is not None:
            for part in await self._old_reports(self._reports_s):
                self.lines.append(f"Would drop {_describe(part)}.")
        ids = await count_ids(self._database, horizon.ids.before_ms)
        self.lines.append(f"Would delete {ids} command ids before {_time(horizon.ids.before_ms)}.")

    async def run(self) -> None:
        """Drops what may go. Raises CannotStart, with nothing dropped."""
        database = self._database
        for table in TABLES:
            await drop_orphans(database, table)
            for name in await make_parts(database, table, self._now_ms, width_ms(self._keep_s)):
                self.lines.append(f"Made {name}.")
        horizon = await find_horizon(database, self._log, self._keep_s, self._now_ms)
        self._say_horizon(horizon)
        await database.execute(_NOTE, "command_ids", horizon.ids.before_ms)
        deleted = await delete_ids(database, horizon.ids.before_ms)
        self.lines.append(f"Deleted {deleted} command ids before {_time(horizon.ids.before_ms)}.")
        if scans := await delete_scans(database, horizon.rows.before_ms):
            self.lines.append(f"Deleted {scans} scans of tickets before {_time(horizon.rows.before_ms)}.")
        if gone := await self._droppable("decisions", horizon):
            await self._carry(gone[-1].to_ms)
        for table in TABLES:
            for part in await self._droppable(table, horizon):
                if table != "decisions":
                    await database.execute(_NOTE, table, part.to_ms)
                await self._drop(table, part)
            await self._say_rest(table, horizon)
        if self._reports_s is not None:
            for name in await make_parts(database, REPORTS, self._now_ms, width_ms(self._reports_s)):
                self.lines.append(f"Made {name}.")
            for part in await self._old_reports(self._reports_s):
                await self._drop(REPORTS, part)

    async def _drop(self, table: str, part: Part) -> None:
        out_s, freed_s = await drop_part(self._database, table, part)
        self.lines.append(
            f"Dropped {_describe(part)}: out of the table in {out_s * 1000:.0f} ms, its files freed in {freed_s:.1f} s."
        )

    async def _old_reports(self, keep_s: int) -> list[Part]:
        parts = await parts_of(self._database, REPORTS)
        return [part for part in parts if part.to_ms <= self._now_ms - keep_s * 1000]

    async def _carry(self, before_ms: int) -> None:
        """Stores the shows as the decisions before a log time left them."""
        database, findings = self._database, Findings()
        bounds = await self._log.bounds(COMMANDS_TOPIC)
        checkpoints = await read_checkpoints(database, PRUNED)
        pruned = await read_pruned(database)
        began = time.monotonic()
        for partition, next_offset in await database.fetch(_PARTITIONS):
            replay = Replay(database, partition, findings)
            replay.pruned = pruned
            if partition in checkpoints:
                await restore_on_demand(database, replay, checkpoints[partition])
            first = await database.fetchval(_FIRST_SINCE, partition, before_ms)
            end = next_offset if first is None else first
            if end <= replay.next_offset:
                continue
            await replay.decide_all(self._log, bounds.get(partition, (0, 0)), end)
            if findings.differences:
                raise CannotStart(
                    f"nothing was dropped: {findings.differences[0]}, and {len(findings.differences) - 1} more"
                    " differences; see `aisle verify`"
                )
            async with database.transaction():
                await advance_checkpoint(database, replay)
                await database.execute(_NOTE, "decisions", before_ms)
        took_s = time.monotonic() - began
        self.lines.append(
            f"Decided {findings.commands} commands again without a difference, and carried their shows over,"
            f" in {took_s:.1f} s."
        )

    async def _droppable(self, table: str, horizon: Horizon) -> list[Part]:
        parts = await parts_of(self._database, table)
        return [part for part in parts if part.to_ms <= horizon.rows.before_ms]

    async def _say_rest(self, table: str, horizon: Horizon) -> None:
        """Adds when the next part can be dropped, since a part goes as a whole."""
        parts = await parts_of(self._database, table)
        kept = [part for part in parts if part.to_ms > horizon.rows.before_ms]
        if kept:
            day = _time(kept[0].to_ms + self._keep_s * 1000)
            self.lines.append(f"The next of {table} to go is {kept[0].name}, on {day}.")
        else:
            self.lines.append(f"{table} has no parts yet: the first run makes them.")

    def _say_horizon(self, horizon: Horizon) -> None:
        rows = horizon.rows
        self.lines.append(f"What is before {_time(rows.before_ms)} may go: {rows.reason}.")


@asynccontextmanager
async def open_prune(
    database_url: str, log: Log, keep_s: int, reports_s: int | None = None
) -> AsyncIterator[Prune]:
    """Yields a run that no other one accompanies. Raises CannotStart."""
    database = await postgres.connect(database_url, "aisle prune", statement_timeout_s=0)
    try:
        if not await database.fetchval(_TRY_LOCK, PRUNE_LOCK):
            raise CannotStart("another `aisle prune` is running on this database; nothing was changed")
        yield Prune(database, log, keep_s, int(time.time() * 1000), reports_s)
    finally:
        await database.close()  # releases the lock


def _describe(part: Part) -> str:
    rows = "" if part.rows < 0 else f" and about {part.rows} rows"
    return f"{part.name} with {part.bytes / 1e6:.1f} MB{rows}"


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
