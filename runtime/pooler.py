"""Detection of a connection pooler, such as PgBouncer, between Aisle and PostgreSQL.

A pooler that shares sessions between its clients breaks what belongs to a session: locks, notifications, prepared
statements and settings. The errors come later and name none of this, so such a pooler is refused at the start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

_REMEDY = (
    "set AISLE_DATABASE_URL to PostgreSQL itself, since Aisle has pools of its own; a pooler in session mode works"
    " if it passes the settings of its clients on"
)
_SHARED = "is a connection pooler that shares sessions between clients, as PgBouncer does in transaction mode"
_WITHOUT_SETTINGS = "is a connection pooler that does not pass the settings of its clients on"

_PROCESS_SQL = "SELECT pg_backend_pid()"
_GIVEN_SQL = "SELECT source IN ('client', 'session') FROM pg_settings WHERE name = $1"
_FOREIGN_STATEMENTS = (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError)
"""Errors of a session in which other clients have prepared statements."""


class PoolerError(Exception):
    """The server is a pooler that Aisle cannot work with. The message completes a sentence that begins with its URL."""


def explain_refusal(error: asyncpg.PostgresError) -> PoolerError | None:
    """Returns what a refused connection means where only a pooler refuses it in this way."""
    if "unsupported startup parameter" not in str(error):
        return None
    return PoolerError(f"{_WITHOUT_SETTINGS} ({error}): {_REMEDY}")


async def check_session(
    connection: asyncpg.Connection,
    setting: str | None,
    open_another: Callable[[], Awaitable[asyncpg.Connection]],
) -> None:
    """Raises PoolerError unless the connection has a session of its own, with the settings that it asked for.

    `setting`: the name of one of these; None without any.
    """
    try:
        process = await _in_one_session(connection, _PROCESS_SQL)
        # PostgreSQL sends the number of its process when it accepts a connection; a pooler sends another.
        if process == connection.get_server_pid():
            return
        another = await open_another()
        try:
            shared = await _in_one_session(another, _PROCESS_SQL) == process
        finally:
            await another.close()
        given = setting is None or await _in_one_session(connection, _GIVEN_SQL, setting)
    except _FOREIGN_STATEMENTS:
        shared, given = True, False
    except asyncpg.PostgresConnectionError as error:
        if "pooling mode" not in str(error):  # of PgBouncer in statement mode, about a transaction
            raise
        shared, given = True, False
    if shared:
        raise PoolerError(f"{_SHARED}: {_REMEDY}")
    if not given:
        raise PoolerError(f"{_WITHOUT_SETTINGS}: {_REMEDY}")


async def _in_one_session(connection: asyncpg.Connection, query: str, *arguments: str) -> Any:
    async with connection.transaction():  # a prepared statement is two steps, each for a session of its own
        return await connection.fetchval(query, *arguments)
