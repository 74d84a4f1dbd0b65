"""Connections to PostgreSQL, all with the same limits and a name for `pg_stat_activity`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog

from runtime.addresses.database_url import one_url_per_host, redacted
from runtime.pooler import PoolerError, check_session, explain_refusal
from runtime.retries import Retry, retry

T = TypeVar("T")

Connection: TypeAlias = asyncpg.Connection
Pool: TypeAlias = asyncpg.Pool

START_S = 30.0
"""Seconds for which a connection to a server that does not answer yet is retried."""

_LOGGED_ATTEMPT = 4
"""The failed attempt that is logged: earlier ones are normal while both start together."""

STATEMENT_TIMEOUT_S = 15.0

_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,  # none of several hosts is the primary: a failover is under way
)

_log = structlog.get_logger()


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached or refuses the connection. The message names the server and the reason."""


UNAVAILABLE = (
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
"""Errors of a query while PostgreSQL is unavailable, restarting, out of resources or not the primary: retry later."""

DATABASE_ERRORS = (*UNAVAILABLE, asyncpg.PostgresError)
"""Every error that a query raises on behalf of PostgreSQL, for work that is repeated anyway."""


async def connect(url: str, name: str, *, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> Connection:
    """Opens a connection named `name`, and waits for a server that is starting. Raises DatabaseUnavailable.

    `statement_timeout_s`: limit of one statement; 0 sets no limit.
    """
    options = _options(name, statement_timeout_s)
    return await _with_retries(url, lambda: open_connection(url, **options))


async def create_pool(
    url: str, name: str, *, min_size: int, max_size: int, synchronous_commit: bool = True
) -> Pool:
    """Opens a pool of connections with the limits of `connect`; `min_size` of them are open when it returns.

    `synchronous_commit` false is for work that is repeated when a crash of the server undoes it.
    """
    options = _options(name, STATEMENT_TIMEOUT_S)
    options["server_settings"]["synchronous_commit"] = "on" if synchronous_commit else "off"
    return await _with_retries(
        url,
        lambda: _open(
            asyncpg.create_pool(url, connect=open_connection, min_size=min_size, max_size=max_size, **options)
        ),
    )


_last_host: dict[str, int] = {}
"""For a URL with several hosts: the index of the host of the last connection. It is tried first."""


async def open_connection(url: str, *, timeout: float = 60.0, **options: Any) -> Connection:
    """Opens a connection, as `asyncpg.connect` does, to the first suitable host of the URL.

    asyncpg has one timeout for all hosts together: one that is switched off would use up all of it. Raises
    DatabaseUnavailable for a connection pooler that shares sessions.
    """
    urls = one_url_per_host(url)
    if len(urls) == 1:
        return await _open_one(url, timeout, options)
    first = _last_host.get(url, 0)
    problem: Exception | None = None
    for index in (first, *(n for n in range(len(urls)) if n != first)):
        try:
            connection = await _open_one(urls[index], timeout / len(urls), options)
        except (*_NOT_YET, asyncpg.PostgresConnectionError) as error:
            # The error of a host that does not answer is more useful than the one of a standby.
            if problem is None or not isinstance(error, asyncpg.TargetServerAttributeNotMatched):
                problem = error
            continue
        _last_host[url] = index
        return connection
    assert problem is not None
    raise problem


_checked: set[str] = set()
"""URLs whose first connection had a session of its own."""


async def _open_one(url: str, timeout: float, options: dict[str, Any]) -> Connection:
    async def attempt() -> Connection:
        return await asyncpg.connect(url, timeout=timeout, **options)

    try:
        connection = await attempt()
    except asyncpg.ProtocolViolationError as error:
        if (reason := explain_refusal(error)) is None:
            raise
        raise DatabaseUnavailable(f"{redacted(url)} {reason}") from None
    if url not in _checked:
        try:
            asked = options.get("server_settings", {})
            await check_session(connection, "jit" if "jit" in asked else None, attempt)
        except PoolerError as error:
            connection.terminate()
            raise DatabaseUnavailable(f"{redacted(url)} {error}") from None
        except BaseException:
            connection.terminate()
            raise
        _checked.add(url)
    return connection


async def _open(pool: Pool) -> Pool:
    await pool
    return pool


def _options(name: str, statement_timeout_s: float) -> dict[str, Any]:
    return {
        "timeout": 10,
        # Longer than the server's own limit: without an answer by then, the network is at fault.
        "command_timeout": statement_timeout_s + 5 if statement_timeout_s else None,
        "server_settings": {
            "application_name": name,
            "statement_timeout": str(round(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "15000",
            "timezone": "UTC",
            "jit": "off",
        },
    }


async def _with_retries(url: str, attempt: Callable[[], Awaitable[T]]) -> T:
    def log_retry(failed: Retry) -> None:
        if failed.attempt == _LOGGED_ATTEMPT:
            _log.warning("postgres_unavailable", url=redacted(url), error=str(failed.error) or "timeout")

    try:
        return await retry(
            attempt, *_NOT_YET, first_s=0.05, longest_s=1.0, give_up_s=START_S, on_retry=log_retry
        )
    except _NOT_YET as error:
        raise DatabaseUnavailable(f"{redacted(url)} does not answer: {error or 'time-out'}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{redacted(url)} refuses the connection: {error}") from None
