"""Parts of a table that is partitioned by time: made ahead, closed, dropped.

Each table has a default part, `…_rest`, which takes the times that no other part has, so that an insert never fails.
It is empty as long as parts are made in time. What it has got is closed: it becomes a part like the others, up to a
time in the future, and an empty table takes its place.

PostgreSQL looks at every row of a part that gets bounds, unless a valid constraint says that they fit. For a large one
that constraint is made first, and validated while inserts go on. It refuses rows after its bound, which is days ahead;
should a run be killed meanwhile, the next one removes it, or `aisle migrate`.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from ops.retention.brief_locks import change_briefly
from runtime.process import CannotStart
from runtime.retention_period import DAY_S

PRUNE_LOCK = 0x6169736C65_7072  # "aislepr"
"""Advisory lock of a run."""

DAY_MS = DAY_S * 1000
_PARTS_OF_A_PERIOD = 12
_WIDEST_MS = 30 * DAY_MS
_SCANNED_ROWS = 20_000
"""Rows of a default part that are looked at while its table is locked: some milliseconds."""
_CONSTRAINT_AHEAD_MS = 7 * DAY_MS

_PARTS = """
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, c.reltuples::bigint AS rows,
       pg_total_relation_size(c.oid) AS bytes
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass"""
_LATEST = """
SELECT greatest((SELECT max(last_ms) FROM partitions), (SELECT max(last_ms) FROM log_heads), 0)"""
_ORPHANS = """
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition AND c.relname LIKE $1"""
_CONSTRAINTS = """
SELECT r.relname AS part, c.conname AS name FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
 WHERE r.relnamespace = 'public'::regnamespace AND c.conname = ANY ($1)"""
_BOUND = re.compile(r"FOR VALUES FROM \((?:MINVALUE|'([-0-9]+)')\) TO \('([-0-9]+)'\)")

_KEYS = {"log": "at_ms", "decisions": "at_ms", "report_customer_days": "day"}
"""The column by which each table is partitioned: a time in Unix milliseconds, or a day."""


class Part(msgspec.Struct, frozen=True):
    """A part with rows of `from_ms` ≤ log time < `to_ms`, Unix milliseconds; `from_ms` is None in the first one."""

    name: str
    from_ms: int | None
    to_ms: int
    rows: int
    """Estimated; -1 where nothing is known."""
    bytes: int


def width_ms(keep_s: int) -> int:
    """Returns the length of time of a part: about a twelfth of the period, in whole days."""
    days = keep_s // DAY_S // _PARTS_OF_A_PERIOD
    return min(max(days, 1) * DAY_MS, _WIDEST_MS)


async def parts_of(database: Any, table: str) -> list[Part]:
    """Returns the parts of a table in the order of time, without the default one."""
    found = []
    for row in await database.fetch(_PARTS, table):
        if (bound := _BOUND.fullmatch(row["bound"])) is not None:
            low = None if bound[1] is None else _time_of(table, bound[1])
            found.append(Part(row["name"], low, _time_of(table, bound[2]), row["rows"], row["bytes"]))
    return sorted(found, key=lambda part: part.to_ms)


async def make_parts(database: Any, table: str, now_ms: int, part_ms: int) -> list[str]:
    """Closes a default part that has rows, and makes the parts of the coming time. Returns their names.

    Raises CannotStart when the log's time is ahead of the clock, TableInUse.
    """
    await remove_constraints(database)
    latest_ms = await database.fetchval(_LATEST)
    if latest_ms > now_ms + DAY_MS:
        raise CannotStart(
            f"log time is {_day(latest_ms)} and the clock says {_day(now_ms)}: correct the clock of this machine, or"
            " wait for that day; nothing is dropped before"
        )
    parts = await parts_of(database, table)
    top_ms = parts[-1].to_ms if parts else None
    made = []
    if top_ms is None or await database.fetchval(f"SELECT EXISTS (SELECT FROM {table}_rest)"):
        name, top_ms = await _close_rest(database, table, top_ms, now_ms, part_ms)
        made.append(name)
    while top_ms < now_ms + part_ms:
        end_ms = _next_boundary(max(top_ms, now_ms), part_ms)
        made.append(await _attach_part(database, table, top_ms, end_ms))
        top_ms = end_ms
    return made


async def drop_part(database: Any, table: str, part: Part) -> tuple[float, float]:
    """Takes the part out of the table, and drops it once nobody can see it. Raises TableInUse.

    Returns the seconds that taking it out took, and those of freeing its files, for which nobody waits.
    """
    # Ends a vacuum of the part within a second, for which the next statement would not wait.
    await database.execute(f"ALTER TABLE {part.name} SET (autovacuum_enabled = false)")
    began = time.monotonic()
    await change_briefly(database, table, f"ALTER TABLE {table} DETACH PARTITION {part.name}")
    taken_out = time.monotonic()
    await database.execute(f"DROP TABLE {part.name}")
    return taken_out - began, time.monotonic() - taken_out


async def remove_constraints(database: Any) -> None:
    """Removes constraints that a killed run may have left on default parts. Raises TableInUse."""
    for part, name in await database.fetch(_CONSTRAINTS, [f"{table}_closing" for table in _KEYS]):
        await change_briefly(database, part, f"ALTER TABLE {part} DROP CONSTRAINT IF EXISTS {name}")


async def remove_constraints_of_killed_run(database: Any) -> None:
    """The same, unless a run is under way."""
    async with database.transaction():
        if await database.fetchval("SELECT pg_try_advisory_xact_lock($1)", PRUNE_LOCK):
            await remove_constraints(database)


async def drop_orphans(database: Any, table: str) -> None:
    """Drops parts that a killed run has taken out of the table, or made and not added to it."""
    for row in await database.fetch(_ORPHANS, f"{table}\\_until\\_%"):
        await database.execute(f"DROP TABLE {row[0]}")


async def _close_rest(
    database: Any, table: str, low_ms: int | None, now_ms: int, part_ms: int
) -> tuple[str, int]:
    """Makes a part of the default one, from `low_ms` on. Returns its name and its end."""
    some = f"SELECT count(*) FROM (SELECT FROM {table}_rest LIMIT {_SCANNED_ROWS + 1}) t"
    large = await database.fetchval(some) > _SCANNED_ROWS
    ahead_ms = max(part_ms, _CONSTRAINT_AHEAD_MS) if large else part_ms
    end_ms = _next_boundary(now_ms + ahead_ms, part_ms)
    name = _name(table, end_ms)
    low = "MINVALUE" if low_ms is None else _value(table, low_ms)
    end = _value(table, end_ms)
    swap = f"""
        ALTER TABLE {table} DETACH PARTITION {table}_rest;
        ALTER TABLE {table}_rest RENAME TO {name};
        CREATE TABLE {table}_rest (LIKE {name} INCLUDING ALL EXCLUDING CONSTRAINTS);
        ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({end});
        ALTER TABLE {table} ATTACH PARTITION {table}_rest DEFAULT;
        ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {table}_closing;"""
    if not large:
        await change_briefly(database, table, swap)
        return name, end_ms
    key = _KEYS[table]
    least = "" if low_ms is None else f"{key} >= {low} AND "
    try:
        await change_briefly(
            database,
            f"{table}_rest",
            f"ALTER TABLE {table}_rest ADD CONSTRAINT {table}_closing CHECK ({least}{key} < {end}) NOT VALID",
        )
        await database.execute(f"ALTER TABLE {table}_rest VALIDATE CONSTRAINT {table}_closing")
        await change_briefly(database, table, swap)
    except BaseException as error:
        if not database.is_closed():
            await remove_constraints(database)
        if isinstance(error, asyncpg.CheckViolationError):
            raise CannotStart(
                f"{table}_rest has rows of a later time than {_day(end_ms)}: was a clock wrong? Nothing was changed"
            ) from None
        raise
    return name, end_ms


async def _attach_part(database: Any, table: str, from_ms: int, to_ms: int) -> str:
    name = _name(table, to_ms)
    await database.execute(f"CREATE TABLE {name} (LIKE {table}_rest INCLUDING ALL)")
    bounds = f"FROM ({_value(table, from_ms)}) TO ({_value(table, to_ms)})"
    attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}"
    try:
        await change_briefly(database, table, attach)
    except asyncpg.CheckViolationError:
        await database.execute(f"DROP TABLE {name}")
        raise CannotStart(
            f"{table}_rest got rows of the coming time just now: run `aisle prune` again, which moves them"
        ) from None
    except BaseException:
        if not database.is_closed():
            await database.execute(f"DROP TABLE {name}")
        raise
    return name


def _value(table: str, at_ms: int) -> str:
    """Returns a time as a value of the table's key in SQL."""
    return (
        str(at_ms) if _KEYS[table] == "at_ms" else f"'{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}'"
    )


def _time_of(table: str, value: str) -> int:
    if _KEYS[table] == "at_ms":
        return int(value)
    return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000)


def _next_boundary(at_ms: int, part_ms: int) -> int:
    return (at_ms // part_ms + 1) * part_ms


def _name(table: str, to_ms: int) -> str:
    return f"{table}_until_{datetime.fromtimestamp(to_ms / 1000, UTC):%Y%m%d}"


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
