"""The state of each partition, from the database and the log: owner, lag, rate, shows on sale."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import msgspec

from runtime.log import Log
from schemas.wire import COMMANDS_TOPIC

SAMPLE_S = 1.0
"""Time over which decided commands are counted."""

_STATES = "SELECT partition, epoch, next_offset, owner FROM partitions"
_RESERVED = "SELECT partition FROM reserved_partitions"
_ON_SALE = """
SELECT partition, count(*) AS shows, sum(available)::bigint AS seats FROM show_states, (
       SELECT extract(epoch FROM now()) * 1000 AS now_ms) clock
 WHERE status = 'open' AND starts_ms > now_ms AND coalesce(sales_start_ms, 0) <= now_ms
   AND coalesce(sales_end_ms, starts_ms) > now_ms GROUP BY partition"""


class PartitionState(msgspec.Struct, frozen=True):
    """A partition. `owner`: the seat worker that took it last, which may have ended since."""

    partition: int
    owner: str | None
    epoch: int
    lag: int
    """Commands in the log without a decision."""
    decided_per_s: float
    shows_on_sale: int
    seats_left: int
    """In the shows on sale."""
    reserved: bool


async def read_partitions(database: asyncpg.Connection, log: Log) -> list[PartitionState]:
    """Returns all partitions of the log in order, after counting decisions for a second."""
    clock = asyncio.get_running_loop().time
    before, began_s = await owned_states(database), clock()
    await asyncio.sleep(SAMPLE_S)
    # Decisions before the log's ends, so that a command that arrives in between counts as undecided, never as decided.
    now, took_s = await owned_states(database), clock() - began_s
    bounds = await log.bounds(COMMANDS_TOPIC)
    reserved = await reserved_partitions(database)
    on_sale = await shows_on_sale(database)
    found = []
    for partition, (first, end) in sorted(bounds.items()):
        state, (shows, seats) = now.get(partition), on_sale.get(partition, (0, 0))
        next_offset = first if state is None else state["next_offset"]
        earlier = before[partition]["next_offset"] if partition in before else first
        found.append(
            PartitionState(
                partition,
                (state["owner"] or None) if state is not None else None,
                state["epoch"] if state is not None else 0,
                max(0, end - next_offset),
                round(max(0, next_offset - earlier) / took_s, 1),
                shows,
                seats,
                partition in reserved,
            )
        )
    return found


async def shows_on_sale(database: asyncpg.Connection) -> dict[int, tuple[int, int]]:
    """Partition → its shows on sale, and the seats left in them; only partitions that have some."""
    return {row["partition"]: (row["shows"], row["seats"]) for row in await database.fetch(_ON_SALE)}


async def reserved_partitions(database: asyncpg.Connection) -> set[int]:
    """The partitions on which no show is placed unless staff name it."""
    return {row["partition"] for row in await database.fetch(_RESERVED)}


async def owned_states(database: asyncpg.Connection) -> dict[int, Any]:
    """Partition → its row: epoch, next offset, owner. A partition that was never taken may have none."""
    return {row["partition"]: row for row in await database.fetch(_STATES)}


def table(partitions: list[PartitionState]) -> list[str]:
    """The lines of `aisle partitions`."""
    owners = [one.owner or "–" for one in partitions]
    width = max(len(owner) for owner in (*owners, "owner"))
    head = f"partition  {'owner':<{width}}  {'epoch':>6} {'lag':>7} {'decided/s':>10} {'shows':>6} {'seats left':>11}"
    lines = [head]
    for one, owner in zip(partitions, owners, strict=True):
        numbers = (
            f"{one.epoch:>6} {one.lag:>7} {one.decided_per_s:>10} {one.shows_on_sale:>6} {one.seats_left:>11}"
        )
        reserved = "  reserved" if one.reserved else ""
        lines.append(f"{one.partition:>9}  {owner:<{width}}  {numbers}{reserved}")
    return lines
