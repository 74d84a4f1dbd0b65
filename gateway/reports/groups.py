"""The reports on sales and cancellations in a period, by day, movie, show or screen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from gateway.catalogue.days import to_ms
from gateway.reports.lines import Cell, decimal
from gateway.reports.query import Period, Query
from schemas.api import timestamp
from schemas.api_reports import (
    By,
    CancellationFigures,
    CancellationRowBody,
    CancellationsPage,
    SalesFigures,
    SalesPage,
    SalesRowBody,
    SumBody,
)


class _Grouping(msgspec.Struct, frozen=True):
    """A way to group figures. `shown` are the columns of a row, `order` the unique columns to sort by."""

    shown: tuple[str, ...]
    columns: str
    order: tuple[tuple[str, str], ...]
    """Name and SQL type of each column."""
    cursor: type
    joins: str = ""


_SHOWS = "JOIN shows s ON s.show_id = f.show_id"
_MOVIES = f"{_SHOWS} JOIN movies m ON m.movie_id = s.movie_id"
_GROUPINGS: dict[By, _Grouping] = {
    "day": _Grouping(("day",), "f.day", (("day", "date"),), tuple[date, str]),
    "movie": _Grouping(
        ("movie_id", "title"),
        "m.movie_id, m.title",
        (("title", "text"), ("movie_id", "int")),
        tuple[str, int, str],
        _MOVIES,
    ),
    "show": _Grouping(
        ("show_id", "movie_id", "title", "screen_name", "starts_at"),
        "s.show_id, m.movie_id, m.title, s.screen_name, s.starts_at",
        (("starts_at", "timestamptz"), ("show_id", "int")),
        tuple[datetime, int, str],
        _MOVIES,
    ),
    "screen": _Grouping(
        ("screen_name",), "s.screen_name", (("screen_name", "text"),), tuple[str, str], _SHOWS
    ),
}
_SUMS = (
    "bookings",
    "seats",
    "gross",
    "cancelled_bookings",
    "cancelled_seats",
    "cancelled",
    "cancelled_by_staff",
    "cancelled_by_show",
)
_SUMMED = ", ".join(f"sum({name})::bigint AS {name}" for name in _SUMS)

_SOLD_SOMETHING = "sum(bookings) > 0 OR sum(cancelled_bookings) > 0 OR sum(seats) <> 0 OR sum(gross) <> 0"
"""Also where bookings only got other seats. Bookings of one group that exchange their seats are no sale."""


def _sql(grouping: _Grouping, which: str) -> tuple[str, str]:
    """The statements for the rows after a cursor, and for the totals."""
    found = f"""
SELECT {grouping.columns}, f.currency, {_SUMMED} FROM report_sales f {grouping.joins}
 WHERE ($1::date IS NULL OR f.day >= $1) AND ($2::date IS NULL OR f.day <= $2)
 GROUP BY {grouping.columns}, f.currency HAVING {which}"""
    order = [*grouping.order, ("currency", "text")]
    names = ", ".join(name for name, _ in order)
    first = 4
    after = ", ".join(f"${n}::{kind}" for n, (_, kind) in enumerate(order, first))
    rows = f"""
SELECT * FROM ({found}) found WHERE ${first}::{order[0][1]} IS NULL OR ({names}) > ({after})
 ORDER BY {names} LIMIT $3"""
    totals = f"""
SELECT currency, {_SUMMED} FROM report_sales f
 WHERE ($1::date IS NULL OR f.day >= $1) AND ($2::date IS NULL OR f.day <= $2) GROUP BY currency ORDER BY currency"""
    return rows, totals


def sales(by: By, period: Period) -> Query[SalesPage]:
    """The query for sales."""
    grouping = _GROUPINGS[by]
    # Groups without sales and cancellations are left out.
    rows, totals = _sql(grouping, _SOLD_SOMETHING)

    def page(found: list[Any], summed: list[Any], next_cursor: str | None) -> SalesPage:
        return SalesPage(
            by=by,
            from_=period.from_text,
            to=period.to_text,
            totals=[SalesFigures(**sales_figures(row)) for row in summed],
            items=[SalesRowBody(**_group(grouping, row), **sales_figures(row)) for row in found],
            next_cursor=next_cursor,
        )

    return Query(
        name=f"sales-by-{by}",
        period=period,
        rows=rows,
        totals=totals,
        cursor=grouping.cursor,
        key=lambda row: _key(grouping, row),
        page=page,
        header=(*grouping.shown, *SALES_HEADER),
        line=lambda row: [*_group(grouping, row).values(), *sales_cells(row)],
    )


def cancellations(by: By, period: Period) -> Query[CancellationsPage]:
    """The query for cancellations."""
    grouping = _GROUPINGS[by]
    rows, totals = _sql(grouping, "sum(cancelled_bookings) > 0")

    def page(found: list[Any], summed: list[Any], next_cursor: str | None) -> CancellationsPage:
        return CancellationsPage(
            by=by,
            from_=period.from_text,
            to=period.to_text,
            totals=[CancellationFigures(**_cancellation_figures(row)) for row in summed],
            items=[
                CancellationRowBody(**_group(grouping, row), **_cancellation_figures(row)) for row in found
            ],
            next_cursor=next_cursor,
        )

    def line(row: Any) -> list[Cell]:
        figures = _cancellation_figures(row) | {"cancelled": decimal(row["cancelled"], row["currency"])}
        return [*_group(grouping, row).values(), row["currency"], *figures.values()]

    figures = tuple(field.name for field in msgspec.structs.fields(CancellationFigures))
    return Query(
        name=f"cancellations-by-{by}",
        period=period,
        rows=rows,
        totals=totals,
        cursor=grouping.cursor,
        key=lambda row: _key(grouping, row),
        page=page,
        header=(*grouping.shown, "currency", *figures),
        line=line,
    )


SALES_HEADER = (
    "currency",
    "bookings",
    "seats",
    "gross",
    "cancelled_bookings",
    "cancelled_seats",
    "cancelled",
    "net_seats",
    "net",
)
"""The columns that `sales_cells` fills."""


def sales_figures(row: Any) -> dict[str, Any]:
    """The fields of SalesFigures in a row."""
    currency = row["currency"]
    return {
        "bookings": row["bookings"],
        "seats": row["seats"],
        "gross": SumBody(row["gross"], currency),
        "cancelled_bookings": row["cancelled_bookings"],
        "cancelled_seats": row["cancelled_seats"],
        "cancelled": SumBody(row["cancelled"], currency),
        "net_seats": row["seats"] - row["cancelled_seats"],
        "net": SumBody(row["gross"] - row["cancelled"], currency),
    }


def sales_cells(row: Any) -> list[Cell]:
    """The fields of SalesFigures as CSV cells, amounts in major units."""
    currency = row["currency"]
    return [
        currency,
        row["bookings"],
        row["seats"],
        decimal(row["gross"], currency),
        row["cancelled_bookings"],
        row["cancelled_seats"],
        decimal(row["cancelled"], currency),
        row["seats"] - row["cancelled_seats"],
        decimal(row["gross"] - row["cancelled"], currency),
    ]


def _cancellation_figures(row: Any) -> dict[str, Any]:
    cancelled, by_staff, by_show = (
        row["cancelled_bookings"],
        row["cancelled_by_staff"],
        row["cancelled_by_show"],
    )
    return {
        "cancelled_bookings": cancelled,
        "cancelled_seats": row["cancelled_seats"],
        "cancelled": SumBody(row["cancelled"], row["currency"]),
        "by_customer": cancelled - by_staff - by_show,
        "by_staff": by_staff,
        "by_show": by_show,
        "bookings": row["bookings"],
        "rate": round(100 * cancelled / row["bookings"], 1) if row["bookings"] else None,
    }


def _group(grouping: _Grouping, row: Any) -> dict[str, Any]:
    return {name: _json_value(row[name]) for name in grouping.shown}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(to_ms(value))
    return value.isoformat() if isinstance(value, date) else value


def _key(grouping: _Grouping, row: Any) -> list[Any]:
    return [*(row[name] for name, _ in grouping.order), row["currency"]]
