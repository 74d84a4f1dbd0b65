"""Reports against a known set of bookings, computed independently."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from gateway.catalogue.zones import read_zones
from gateway.http.problems import Problem
from gateway.reports import figures as report_figures
from gateway.reports.customers import customers
from gateway.reports.figures import ReportFigures
from gateway.reports.groups import cancellations, sales
from gateway.reports.query import Period, Query, ReportReader
from schemas.api_reports import By
from tests.integration.known_sales import KnownSales, added_up

EVER = Period(None, None)
PERIODS = [
    EVER,
    Period(date(2026, 10, 24), date(2026, 10, 28)),
    Period(date(2026, 10, 25), None),
    Period(None, date(2026, 10, 23)),
    Period(date(2027, 10, 25), None),
    *(Period(date(2026, 10, day), date(2026, 10, day)) for day in (25, 27)),
]
"""On the single days there are shows of which bookings only got other seats."""
KEYS: dict[By, Any] = {
    "day": lambda move: move.day.isoformat(),
    "movie": lambda move: move.show.movie_id,
    "show": lambda move: move.show.show_id,
    "screen": lambda move: move.show.screen_name,
}
FIELDS: dict[By, str] = {"day": "day", "movie": "movie_id", "show": "show_id", "screen": "screen_name"}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=3) as pool:
        yield pool


@pytest.fixture
async def known(database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> KnownSales:
    """Known sales, aggregated in several batches."""
    monkeypatch.setattr(report_figures, "_BATCH", 17)
    known = KnownSales(seed=7)
    await known.store(database)
    await known.add_decisions(database, 400)
    return known


@pytest.fixture
async def reader(pool: asyncpg.Pool) -> ReportReader:
    return ReportReader(pool, ReportFigures(pool, await read_zones(pool, "UTC")))


async def all_rows(reader: ReportReader, query: Query[Any], limit: int = 7) -> list[Any]:
    """The items of all pages."""
    items: list[Any] = []
    cursor = None
    while True:
        page = await reader.page(query, limit, cursor)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


async def whole_table(reader: ReportReader, query: Query[Any]) -> str:
    """The text of a table."""
    piece, table = await reader.csv(query, user_id=1)
    text = piece
    while (more := await table.chunk()) is not None:
        text += more
    await table.close()
    return text.decode("utf-8-sig")


@pytest.mark.parametrize("by", KEYS)
async def test_sales_count_confirmations_and_cancellations_by_the_day_at_each_show(
    reader: ReportReader, known: KnownSales, by: By
) -> None:
    for period in PERIODS:
        moves = known.within(period.from_day, period.to_day)
        wanted = {
            (key, currency): (
                f["bookings"],
                f["seats"],
                f["gross"],
                f["cancelled_bookings"],
                f["cancelled_seats"],
                f["cancelled"],
                f["seats"] - f["cancelled_seats"],
                f["gross"] - f["cancelled"],
            )
            for (key, currency), f in added_up(moves, KEYS[by]).items()
            if any(f.get(name) for name in ("bookings", "cancelled_bookings", "seats", "gross"))
        }

        def figures_in(row: Any) -> tuple[int, ...]:
            return (
                row.bookings,
                row.seats,
                row.gross.amount,
                row.cancelled_bookings,
                row.cancelled_seats,
                row.cancelled.amount,
                row.net_seats,
                row.net.amount,
            )

        rows = await all_rows(reader, sales(by, period))
        assert {(getattr(row, FIELDS[by]), row.gross.currency): figures_in(row) for row in rows} == wanted
        assert len(rows) == len(wanted)
        totals = (await reader.page(sales(by, period), 1, None)).totals
        assert [row.gross.currency for row in totals] == sorted({move.show.currency for move in moves})
        for row in totals:
            of_currency = [
                figures for (_, currency), figures in wanted.items() if currency == row.gross.currency
            ]
            assert figures_in(row) == tuple(map(sum, zip(*of_currency, strict=True)))


@pytest.mark.parametrize("by", KEYS)
async def test_cancellations_name_their_cause(reader: ReportReader, known: KnownSales, by: By) -> None:
    for period in PERIODS:
        figures = added_up(known.within(period.from_day, period.to_day), KEYS[by])
        wanted = {
            key: (
                f["cancelled_bookings"],
                f["cancelled"],
                f["by_customer"],
                f["by_staff"],
                f["by_show"],
                f["bookings"],
            )
            for key, f in figures.items()
            if f["cancelled_bookings"]
        }
        rows = await all_rows(reader, cancellations(by, period))
        assert {
            (getattr(row, FIELDS[by]), row.cancelled.currency): (
                row.cancelled_bookings,
                row.cancelled.amount,
                row.by_customer,
                row.by_staff,
                row.by_show,
                row.bookings,
            )
            for row in rows
        } == wanted
        for row in rows:
            assert row.rate == (
                round(100 * row.cancelled_bookings / row.bookings, 1) if row.bookings else None
            )


async def test_customers_are_counted_once_and_the_best_come_first(
    reader: ReportReader, known: KnownSales
) -> None:
    first_days: dict[int, date] = {}
    for move in known.moves:
        first_days[move.user_id] = min(first_days.get(move.user_id, move.day), move.day)
    for period in PERIODS:
        moves = known.within(period.from_day, period.to_day)
        wanted = sorted(
            (f["cancelled"] - f["gross"], user_id, currency, f["bookings"], f["seats"], f["cancelled_seats"])
            for (user_id, currency), f in added_up(moves, lambda move: move.user_id).items()
        )
        rows = await all_rows(reader, customers(period))
        assert [
            (
                -row.net.amount,
                row.user_id or 0,
                row.net.currency,
                row.bookings,
                row.seats,
                row.cancelled_seats,
            )
            for row in rows
        ] == wanted
        for row in rows:
            first = first_days[row.user_id or 0]
            assert row.first_day == first.isoformat()
            if row.user_id is None:
                assert (row.username, row.new) == (None, False)
                continue
            assert row.new is (period.from_day is None or first >= period.from_day)
            assert row.username == (f"user{row.user_id}" if row.user_id < 40 else None)
        page = await reader.page(customers(period), 1, None)
        buyers = {move.user_id for move in moves if move.user_id and not (move.cancelled_by or move.changed)}
        new = {user_id for user_id in buyers if not period.from_day or first_days[user_id] >= period.from_day}
        assert (page.customers, page.new, page.returning) == (len(buyers), len(new), len(buyers - new))
        in_sales = (await reader.page(sales("day", period), 1, None)).totals
        assert page.totals == in_sales


async def test_a_report_includes_the_latest_decisions(
    reader: ReportReader, known: KnownSales, database: asyncpg.Connection
) -> None:
    for _ in range(5):
        [total] = [
            t for t in (await reader.page(sales("day", EVER), 1, None)).totals if t.gross.currency == "EUR"
        ]
        assert total.gross.amount == sum(
            m.amount for m in known.moves if not m.cancelled_by and m.show.currency == "EUR"
        )
        await known.add_decisions(database, 40)


async def test_concurrent_aggregation_counts_nothing_twice(
    pool: asyncpg.Pool, known: KnownSales, database: asyncpg.Connection
) -> None:
    zones = await read_zones(pool, "UTC")
    aggregations = [ReportFigures(pool, zones) for _ in range(3)]
    await asyncio.gather(*(gatherer.catch_up() for gatherer in aggregations))
    stored = await database.fetchval("SELECT sum(bookings) FROM report_sales")
    assert stored == sum(not (move.cancelled_by or move.changed) for move in known.moves)
    assert await database.fetchval("SELECT count(*) FROM report_tail") == 0


async def test_csv_has_the_same_figures_as_json(reader: ReportReader, known: KnownSales) -> None:
    text = await whole_table(reader, sales("show", EVER))
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    items = await all_rows(reader, sales("show", EVER))
    assert [(int(line["show_id"]), line["currency"], int(line["net_seats"])) for line in table] == [
        (item.show_id, item.net.currency, item.net_seats) for item in items
    ]
    for line, item in zip(table, items, strict=True):
        digits = 0 if item.net.currency == "JPY" else 2
        assert line["net"] == f"{item.net.amount / 10**digits:.{digits}f}"
    people = list(csv.DictReader(io.StringIO(await whole_table(reader, customers(EVER)), newline="")))
    assert {(line["username"], line["new"]) for line in people if not line["user_id"]} == {("", "false")}
    assert sum(not line["user_id"] for line in people) == 2, "one for each currency"


async def test_slow_aggregation_is_answered_not_ready(
    reader: ReportReader, known: KnownSales, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_figures, "_CATCH_UP_TIMEOUT_S", 0.0)
    answers = []
    while True:
        try:
            await reader.page(sales("day", EVER), 1, None)
            break
        except Problem as problem:
            answers.append(problem)
    assert answers
    assert {(problem.code, problem.retry_after_s) for problem in answers} == {("not_ready", 5)}
