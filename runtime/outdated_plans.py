"""Retry of a transaction whose prepared statements a migration has made outdated.

A prepared statement keeps the columns and types of its result. When a table changes, as in a migration while the
service runs, PostgreSQL refuses the next execution on each connection. asyncpg then prepares the statement again, and
repeats it where it was alone; in a transaction, which has failed with it, only the caller can repeat.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import asyncpg

P = ParamSpec("P")
T = TypeVar("T")

OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""Errors of a statement that was prepared before a table or a type was changed."""


def retry_outdated_plans(transaction: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Decorates a coroutine function that runs a transaction: it is called once more after one of OUTDATED.

    The failed transaction has been rolled back, and the statements of the whole pool are forgotten. What the function
    does outside of its transaction happens twice, so it has to be repeatable.
    """

    @functools.wraps(transaction)
    async def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await transaction(*args, **kwargs)
        except OUTDATED:
            return await transaction(*args, **kwargs)

    return repeated
