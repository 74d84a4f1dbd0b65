"""The log of a database, opened for a command of `aisle`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime import postgres
from runtime.log import Log, WrongLog
from runtime.log.opening import bind_log, open_log
from runtime.settings import Settings

_BOUND = "SELECT kind FROM log_identity"
_NAMES = {"kafka": "Kafka", "postgres": "PostgreSQL"}


@asynccontextmanager
async def bound_log(settings: Settings, database_url: str, *, create: bool) -> AsyncIterator[Log]:
    """Yields the configured log after a check that this database belongs to it.

    `create` creates its topics for a database without a log. Raises WrongLog, LogUnavailable, DatabaseUnavailable.
    """
    log = await open_log(settings.kafka, database_url)
    try:
        connection = await postgres.connect(database_url, "aisle")
        try:
            bound = await connection.fetchval(_BOUND)
            if bound is None and create:
                await log.create(settings.partitions)
            elif bound not in (None, "kafka" if settings.kafka else "postgres"):
                # Raised before any request to a Kafka that has nothing to do with this database.
                raise WrongLog(
                    f"this database belongs to a log in {_NAMES.get(bound, bound)}; {_remedy(settings)}"
                )
            await bind_log(connection, log)
        finally:
            await connection.close()
        yield log
    finally:
        await log.close()


def _remedy(settings: Settings) -> str:
    setting = "unset AISLE_KAFKA" if settings.kafka else "set AISLE_KAFKA to it"
    return f"either {setting}, or use another AISLE_HOME or AISLE_DATABASE_URL"
