"""Opening of the configured log, and the binding of a database to one log."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from runtime.log import Log, LogIdentity, WrongLog
from schemas.wire import COMMANDS_TOPIC

BIND = """
INSERT INTO log_identity (kind, cluster, topic) VALUES ($1, $2, $3) ON CONFLICT (only_one) DO NOTHING
"""
BOUND = "SELECT kind, cluster, topic FROM log_identity"


async def open_log(kafka: str | None, database_url: str | None, *, instance: str | None = None) -> Log:
    """Returns the log in Kafka where `kafka` (`host:port,…`) is set, else the one in the database.

    `instance`, a `group_instance`, lets a reader that was killed and restarted continue at once. Does not connect
    yet. Raises ValueError when neither is given.
    """
    if kafka is not None:
        from runtime.log.kafka import KafkaLog  # only here: without Kafka its client is not loaded

        return KafkaLog(kafka, instance=instance)
    if database_url is None:
        raise ValueError("there is neither AISLE_KAFKA nor AISLE_DATABASE_URL to open a log from")
    from runtime.log.postgres import PostgresLog

    return PostgresLog(database_url)


async def bind_log(connection: asyncpg.Connection, log: Log) -> None:
    """Binds a new database to the log, and checks an existing binding.

    Raises WrongLog when the database is bound to another log or a new database meets a log with commands, and the
    errors of `Log.identity`.
    """
    here = await log.identity()
    row = await connection.fetchrow(BOUND)
    if row is None:
        ends = [end for _, end in (await log.bounds(COMMANDS_TOPIC)).values()]
        if any(ends):
            raise WrongLog(
                f"this database is new, but the {here} has {sum(ends)} commands already, which another database"
                " has decided: use that database, or a log without records"
            )
        await connection.execute(BIND, here.kind, here.cluster, here.topic)
        row = await connection.fetchrow(BOUND)
    bound = LogIdentity(**row)
    if bound != here:
        raise WrongLog(
            f"this database belongs to the {bound}; what was opened is the {here}. {_remedy(bound, here)}"
        )


def check_bounds(next_offsets: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]) -> None:
    """Compares the processed offset of each partition with the bounds of the log.

    Raises WrongLog for a next offset outside of the log, or a partition that the log does not have.
    """
    for partition, next_offset in sorted(next_offsets.items()):
        if partition not in bounds:
            raise WrongLog(
                f"the database knows partition {partition}, the log has only {len(bounds)} partitions; "
                "the topic has been made anew or a backup restored: restore log and database together"
            )
        first, end = bounds[partition]
        if not first <= next_offset <= end:
            lost = "ends at" if next_offset > end else "starts at"
            older = (
                ""
                if next_offset > end
                else ", or the topic's retention was shorter than the time without workers"
            )
            raise WrongLog(
                f"partition {partition} goes on at offset {next_offset} according to the database, but the log "
                f"{lost} {end if next_offset > end else first}: records are missing{older}; "
                "restore log and database from backups that belong together"
            )


def _remedy(bound: LogIdentity, here: LogIdentity) -> str:
    if bound.kind != here.kind:
        setting = "unset AISLE_KAFKA" if here.kind == "kafka" else "set AISLE_KAFKA to its Kafka"
        return f"Either {setting}, or use another AISLE_HOME or AISLE_DATABASE_URL for the other log."
    if bound.cluster != here.cluster:
        return "Set AISLE_KAFKA to the cluster it belongs to, or use another database for this one."
    return "Its topics were deleted and made anew; restore them, or start over with a new database."
