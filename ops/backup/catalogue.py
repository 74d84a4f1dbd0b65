"""Recovery of what a log has and its database lacks, after the database was restored from a backup.

Commands are decided again by the seat workers. The catalogue's rows of shows that were made after the backup are in
the commands that open them; accounts are lost. Ids that the log knows must never be given to anything new: a new
account with the id of a lost one would own its bookings.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import structlog

from gateway.catalogue.carried_shows import store_carried
from runtime import postgres
from runtime.log import Log
from schemas.commands import Command, OpenShow, SeatsCommand
from schemas.wire import COMMANDS_TOPIC, decode_command

_PAGE = 5_000
_LOCK = 0x61697265
_ACCOUNT_GAP = 1_000_000
"""Ids of accounts that stay unused: those of lost accounts without a booking, whose access tokens may still run."""

_OFFSETS = "SELECT partition, next_offset FROM partitions"
_LAST = """
SELECT coalesce(max(last_value), 0) FROM pg_sequences
 WHERE format('%I.%I', schemaname, sequencename)::regclass = pg_get_serial_sequence($1, $2)::regclass
"""
_MOVE = "SELECT setval(pg_get_serial_sequence($1, $2), $3)"

_log = structlog.get_logger()


class Undecided(NamedTuple):
    """The commands of the log that the database has not decided."""

    commands: int
    openings: list[tuple[int, OpenShow]]
    """(partition, command) of the shows that they open."""
    last_user: int
    """The largest id of an account in them."""


class Recovered(NamedTuple):
    """What was brought back from the log."""

    commands: int
    """Commands that seat workers will decide."""
    shows: int
    first_new_user: int | None
    """The id of the next new account, where it was moved."""


async def recover_catalogue_of(database_url: str, log: Log) -> Recovered:
    """Calls `recover_catalogue` on a connection of its own."""
    connection = await postgres.connect(database_url, "recovery of the catalogue", statement_timeout_s=0)
    try:
        return await recover_catalogue(connection, log)
    finally:
        await connection.close()


async def recover_catalogue(connection: Any, log: Log) -> Recovered:
    """Stores missing catalogue rows of undecided shows, and moves the sequences past every id of these commands.

    To be called before anything is made anew: by `aisle restore`, `aisle up` and `aisle migrate`. Changes nothing where
    nothing is missing. Raises LogUnavailable.
    """
    if not log.outlives_database:
        return Recovered(0, 0, None)
    undecided = await read_undecided(log, dict(await connection.fetch(_OFFSETS)))
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        stored = [await store_carried(connection, *opening) for opening in undecided.openings]
        shows = [command for _, command in undecided.openings]
        await _move(connection, "movies", "movie_id", max(map(_movie, shows), default=0))
        await _move(connection, "layouts", "layout_id", max((show.layout_id for show in shows), default=0))
        await _move(connection, "shows", "show_id", max((show.show_id for show in shows), default=0))
        moved = await _move(connection, "users", "user_id", undecided.last_user, gap=_ACCOUNT_GAP)
    recovered = Recovered(undecided.commands, sum(stored), moved)
    if recovered.shows or moved is not None:
        _log.warning(
            "catalogue_recovered", undecided=recovered.commands, shows=recovered.shows, next_user=moved
        )
    return recovered


async def _move(connection: Any, table: str, key: str, last: int, gap: int = 0) -> int | None:
    """Moves the sequence of a table past an id that it has not given; returns the next id where it was moved."""
    if last <= await connection.fetchval(_LAST, table, key):
        return None
    await connection.fetchval(_MOVE, table, key, last + gap)
    return last + gap + 1


async def read_undecided(log: Log, next_offsets: dict[int, int]) -> Undecided:
    """Reads the log from the decided offset of each partition to its end."""
    count, last_user = 0, 0
    openings: list[tuple[int, OpenShow]] = []
    for partition, (first, end) in sorted((await log.bounds(COMMANDS_TOPIC)).items()):
        async for command in _commands(log, partition, max(first, next_offsets.get(partition, 0)), end):
            count += 1
            if command is None:
                continue
            last_user = max(last_user, command.user_id)
            if isinstance(command, SeatsCommand):
                last_user = max(last_user, command.customer_id, *command.sharing)
            elif isinstance(command, OpenShow):
                openings.append((partition, command))
    return Undecided(count, openings, last_user)


async def _commands(log: Log, partition: int, start: int, end: int) -> AsyncIterator[Command | None]:
    """Yields the commands of a range; None for a record that cannot be decoded."""
    while start < end:
        records = await log.read(COMMANDS_TOPIC, partition, start, min(_PAGE, end - start))
        if not records:
            return
        for record in records:
            try:
                yield decode_command(record.body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                yield None
        start = records[-1].offset + 1


def _movie(command: OpenShow) -> int:
    return command.catalogue.movie.movie_id if command.catalogue is not None else 0
