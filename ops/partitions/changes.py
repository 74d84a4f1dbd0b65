"""Adding partitions, and reserving one for a coming show. A change that is refused has changed nothing."""

from __future__ import annotations

import asyncio

import asyncpg

from gateway.catalogue.placement import PLACING_LOCK_SQL
from ops.partitions.state import reserved_partitions
from runtime.log import Log
from runtime.process import CannotStart
from schemas.ids import MAX_PARTITIONS
from schemas.wire import COMMANDS_TOPIC

TAKEN_WITHIN_S = 10.0

# Of the session, as partitions of Kafka are added outside of any transaction.
_LOCK = "SELECT pg_advisory_lock(0x4149534C46)"
_RESERVE = "INSERT INTO reserved_partitions (partition) VALUES ($1)"
_RELEASE = "DELETE FROM reserved_partitions WHERE partition = $1"
_TAKEN = "SELECT partition FROM partitions WHERE epoch > 0"
_OWNED = "SELECT EXISTS (SELECT FROM partitions WHERE owner <> '')"


class CannotChange(CannotStart):
    """The change is refused. The message is one line that says why, and what to do."""


async def add(database: asyncpg.Connection, log: Log, count: int) -> range:
    """Adds partitions to the log and returns their numbers. Raises CannotChange."""
    await database.execute(_LOCK)
    held = len(await log.bounds(COMMANDS_TOPIC))
    if not 1 <= count <= MAX_PARTITIONS - held:
        raise CannotChange(_number_wanted(held))
    await log.add_partitions(held + count)
    return range(held, held + count)


async def are_taken(database: asyncpg.Connection, added: range) -> bool:
    """Whether seat workers take these partitions within ten seconds; False at once where none ever has."""
    if not await database.fetchval(_OWNED):
        return False
    deadline_s = asyncio.get_running_loop().time() + TAKEN_WITHIN_S
    while asyncio.get_running_loop().time() < deadline_s:
        if set(added) <= await _taken(database):
            return True
        await asyncio.sleep(0.1)
    return False


async def reserve(database: asyncpg.Connection, log: Log, partition: int) -> None:
    """Keeps a partition from getting new shows, unless staff name it. Raises CannotChange."""
    known = set(await log.bounds(COMMANDS_TOPIC))
    async with database.transaction():
        await database.execute(PLACING_LOCK_SQL)
        reserved = await reserved_partitions(database)
        _check_exists(partition, known)
        if partition in reserved:
            raise CannotChange(f"partition {partition} is reserved already")
        # Shows are placed on partitions that have a seat worker; before the first start no partition has.
        placeable = (await _taken(database) or known) & known
        if not placeable - reserved - {partition}:
            raise CannotChange(
                f"partition {partition} is the last one for new shows; first `aisle partitions add 1`, or release one"
            )
        await database.execute(_RESERVE, partition)


async def release(database: asyncpg.Connection, log: Log, partition: int) -> None:
    """Opens a reserved partition to all new shows. Raises CannotChange."""
    _check_exists(partition, set(await log.bounds(COMMANDS_TOPIC)))
    if await database.execute(_RELEASE, partition) == "DELETE 0":
        raise CannotChange(f"partition {partition} is not reserved")


async def _taken(database: asyncpg.Connection) -> set[int]:
    return {row["partition"] for row in await database.fetch(_TAKEN)}


def _check_exists(partition: int, known: set[int]) -> None:
    if partition not in known:
        raise CannotChange(f"there is no partition {partition}: the log has 0 to {max(known)}")


def _number_wanted(held: int) -> str:
    if held >= MAX_PARTITIONS:
        return f"this log has {held} partitions, the most there can be"
    left = MAX_PARTITIONS - held
    return (
        f"a number from 1 to {left} is wanted: this log has {held} partitions, the most are {MAX_PARTITIONS}"
    )
