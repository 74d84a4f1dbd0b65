"""Reading of reports from one database snapshot: a page as JSON, or all rows as CSV."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import date
from typing import Any, Generic, TypeVar, get_args
from weakref import WeakValueDictionary

import asyncpg
import msgspec

from gateway.catalogue.days import read_day
from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from gateway.reports.figures import ReportFigures
from gateway.reports.lines import BYTE_ORDER_MARK, Cell, lines
from gateway.reports.table import Table
from runtime.outdated_plans import retry_outdated_plans

PageT = TypeVar("PageT")

AT_ONCE = 2
"""Reports that one gateway reads concurrently; further ones wait. Of an account, one may be a table."""
_WAIT_S = 5.0
_ROWS_AT_ONCE = 500
# Memory for the sums of about 100,000 customers; a gateway that hangs keeps its snapshot for at most a minute; a table
# is read to its end, so the plan must not optimise for the first row; and one report uses one core, leaving the others
# to bookings.
_SETTINGS_SQL = """
SELECT set_config('work_mem', '64MB', true), set_config('idle_in_transaction_session_timeout', '60s', true),
       set_config('cursor_tuple_fraction', '1', true), set_config('max_parallel_workers_per_gather', '0', true)
"""


class Period(msgspec.Struct, frozen=True):
    """Days from `from_day` to `to_day`, both included; None means unbounded."""

    from_day: date | None
    to_day: date | None

    @property
    def from_text(self) -> str | None:
        return None if self.from_day is None else self.from_day.isoformat()

    @property
    def to_text(self) -> str | None:
        return None if self.to_day is None else self.to_day.isoformat()


def read_period(from_: str | None, to: str | None) -> Period:
    """Parses the period of a request. Raises Problem `validation`."""
    period = Period(
        None if from_ is None else read_day("from", from_), None if to is None else read_day("to", to)
    )
    if period.from_day is not None and period.to_day is not None and period.from_day > period.to_day:
        raise invalid(("from", "must not be later than `to`"))
    return period


class Query(msgspec.Struct, Generic[PageT], frozen=True, kw_only=True):
    """One report on one period.

    The parameters of `rows` are the period, `arguments`, the maximum number of rows (null: all) and the parts of the
    cursor (null: from the start); those of `totals` are the period and `arguments`.
    """

    name: str
    period: Period
    rows: str
    totals: str
    arguments: tuple[Any, ...] = ()
    """Parameters after the two days of the period."""
    cursor: Any
    """The tuple type that `key` returns for a row."""
    key: Callable[[Any], Sequence[Any]]
    page: Callable[[list[Any], list[Any], str | None], PageT]
    header: tuple[str, ...]
    line: Callable[[Any], Sequence[Cell]]

    @property
    def file_name(self) -> str:
        days = filter(None, (self.period.from_text, self.period.to_text))
        return "-".join((self.name, *days)) + ".csv"

    def _values(self) -> tuple[Any, ...]:
        return self.period.from_day, self.period.to_day, *self.arguments

    def _rows_values(self, limit: int | None, after: Sequence[Any] | None) -> tuple[Any, ...]:
        parts = [None] * len(get_args(self.cursor)) if after is None else after
        return *self._values(), limit, *parts


class ReportReader:
    """Reads reports over a pool of their own, so that bookings never wait for them."""

    def __init__(self, pool: asyncpg.Pool, figures: ReportFigures) -> None:
        self._pool = pool
        self._figures = figures
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tables: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """By account: held while a table is sent, which takes as long as its client does."""

    @retry_outdated_plans
    async def page(self, query: Query[PageT], limit: int, cursor: str | None) -> PageT:
        """One page. Raises Problem `overloaded`, `not_ready`, or `validation` for an invalid cursor."""
        after = None if cursor is None else read_cursor(cursor, query.cursor)
        if any(isinstance(part, str) and "\0" in part for part in after or ()):
            raise _invalid_cursor()
        async with self._snapshot() as connection:
            try:
                rows = await connection.fetch(query.rows, *query._rows_values(limit + 1, after))
            except (asyncpg.DataError, ValueError, OverflowError):
                raise _invalid_cursor() from None
            totals = await connection.fetch(query.totals, *query._values())
        found, next_cursor = split_page(rows, limit, query.key)
        return query.page(list(found), totals, next_cursor)

    async def csv(self, query: Query[Any], user_id: int) -> tuple[bytes, Table]:
        """All rows as CSV: the first chunk, and the table with the others. Raises what `page` raises.

        An account has one table at a time, so that a client that reads slowly leaves a slot to others.
        """
        table = Table(self._csv(query, self._tables.setdefault(user_id, asyncio.Lock())))
        try:
            first = await table.chunk()
        except BaseException:
            await table.close()
            raise
        return first or b"", table

    async def _csv(self, query: Query[Any], table: asyncio.Lock) -> AsyncGenerator[bytes, None]:
        async with self._snapshot(table) as connection:
            # Prepared here, in the transaction that uses it, so that it cannot be outdated.
            statement = await connection.prepare(query.rows)
            cursor = await statement.cursor(*query._rows_values(None, None))
            rows = await cursor.fetch(_ROWS_AT_ONCE)
            yield BYTE_ORDER_MARK + lines([query.header, *map(query.line, rows)])
            while rows := await cursor.fetch(_ROWS_AT_ONCE):
                yield lines(map(query.line, rows))

    @contextlib.asynccontextmanager
    async def _snapshot(self, *places: asyncio.Lock) -> AsyncIterator[Any]:
        """A connection with a consistent snapshot and up-to-date figures, once these places and a slot are free."""
        async with contextlib.AsyncExitStack() as taken:
            try:
                async with asyncio.timeout(_WAIT_S):
                    for place in (*places, self._slots):
                        await taken.enter_async_context(place)
            except TimeoutError:
                raise Problem(
                    "overloaded", "Other reports are being read: try again in a moment.", retry_after_s=5
                ) from None
            await self._figures.catch_up()
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(_SETTINGS_SQL)
                yield connection


def _invalid_cursor() -> Problem:
    return invalid(("cursor", "take it unchanged from next_cursor of the page before"))
