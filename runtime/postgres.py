"""Connections to PostgreSQL, all with the same limits and a name that shows in `pg_stat_activity`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog

from runtime.database_url import one_by_one, shown

T = TypeVar("T")

Connection: TypeAlias = asyncpg.Connection
Pool: TypeAlias = asyncpg.Pool

START_S = 30.0
"""How long a server that does not answer yet is waited for."""

STATEMENT_TIMEOUT_S = 15.0

_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,  # of several hosts none is the primary: a switch is under way
)

_log = structlog.get_logger()


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached or lets nobody in. The message names it and says why."""


AWAY = (
    DatabaseUnavailable,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # on a connection that the server ended while it was idle
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What a query raises while PostgreSQL is away, restarting, out of room or not the primary: try again later."""


async def connect(url: str, name: str, *, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> Connection:
    """One connection, named `name`. Waits for a server that is starting; raises DatabaseUnavailable.

    A statement may take `statement_timeout_s`; 0 sets no limit.
    """
    options = _options(name, statement_timeout_s)
    return await _patiently(url, lambda: open_connection(url, **options))


async def create_pool(
    url: str, name: str, *, min_size: int, max_size: int, synchronous_commit: bool = True
) -> Pool:
    """A pool of connections as `connect` makes them; `min_size` of them are open when it returns.

    `synchronous_commit` false is for work that is done again when a crash of the server undoes it.
    """
    options = _options(name, STATEMENT_TIMEOUT_S)
    options["server_settings"]["synchronous_commit"] = "on" if synchronous_commit else "off"
    return await _patiently(
        url,
        lambda: _open(
            asyncpg.create_pool(url, connect=open_connection, min_size=min_size, max_size=max_size, **options)
        ),
    )


_answered: dict[str, int] = {}
"""Of URLs with several hosts: which host gave the last connection. It is tried first."""


async def open_connection(url: str, *, timeout: float = 60.0, **options: Any) -> Connection:
    """One connection, as `asyncpg.connect` makes it, to the first of the URL's hosts that will do.

    asyncpg has one limit for all hosts together: one that is switched off would use up all of it.
    """
    urls = one_by_one(url)
    if len(urls) == 1:
        return await asyncpg.connect(url, timeout=timeout, **options)
    first = _answered.get(url, 0)
    problem: Exception | None = None
    for index in (first, *(n for n in range(len(urls)) if n != first)):
        try:
            connection = await asyncpg.connect(urls[index], timeout=timeout / len(urls), **options)
        except (*_NOT_YET, asyncpg.PostgresConnectionError) as error:
            # That a host answers but is a standby says less than why the other does not answer.
            if problem is None or not isinstance(error, asyncpg.TargetServerAttributeNotMatched):
                problem = error
            continue
        _answered[url] = index
        return connection
    assert problem is not None
    raise problem


async def _open(pool: Pool) -> Pool:
    await pool
    return pool


def _options(name: str, statement_timeout_s: float) -> dict[str, Any]:
    return {
        "timeout": 10,
        # Past the server's own limit the network is at fault, and nobody would ever answer.
        "command_timeout": statement_timeout_s + 5 if statement_timeout_s else None,
        "server_settings": {
            "application_name": name,
            "statement_timeout": str(round(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "15000",
            "timezone": "UTC",
            "jit": "off",
        },
    }


async def _patiently(url: str, attempt: Callable[[], Awaitable[T]]) -> T:
    deadline = time.monotonic() + START_S
    pause_s = 0.05
    while True:
        try:
            return await attempt()
        except _NOT_YET as error:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"{shown(url)} does not answer: {error or 'time-out'}") from None
            if pause_s == 0.4:
                _log.warning("waiting for PostgreSQL", url=shown(url), error=str(error) or "time-out")
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(f"{shown(url)} lets nobody in: {error}") from None
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, 1.0)
