"""The report on occupancy: the current state of the shows that start in a period."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from gateway.catalogue.days import to_ms
from gateway.catalogue.zones import Zones, local_day
from gateway.reports.lines import Cell
from gateway.reports.query import Period, Query
from schemas.api import timestamp
from schemas.api_reports import OccupancyFigures, OccupancyPage, OccupancyRowBody

# Seats sold come from the figures and from the decisions since, so they agree with the seats available at the same
# moment. Days are those of the show's own time zone, at most 14 hours ahead of UTC and 12 behind: only starts within a
# day of the bounds need the zone.
_DAY = local_day("s.starts_at", "s.timezone", "$4", "$5")
_SHOWS = f"""
SELECT s.show_id, s.movie_id, s.screen_name, s.starts_at, l.total_seats,
       coalesce(st.available, l.total_seats) AS available, coalesce(st.status = 'cancelled', false) AS cancelled
  FROM shows s
  JOIN layouts l ON l.layout_id = s.layout_id
  LEFT JOIN show_states st ON st.show_id = s.show_id
 WHERE s.starts_at >= coalesce($1::date - interval '14 hours', '-infinity')
   AND ($1::date IS NULL OR s.starts_at >= $1::date + interval '12 hours' OR {_DAY} >= $1)
   AND s.starts_at < coalesce($2::date + interval '36 hours', 'infinity')
   AND ($2::date IS NULL OR s.starts_at < $2::date + interval '10 hours' OR {_DAY} <= $2)
   AND ($3::int IS NULL OR s.movie_id = $3)"""
_SOLD = """
SELECT f.show_id, sum(f.seats - f.cancelled_seats)::int AS sold FROM report_sales_now f
 WHERE f.show_id IN (SELECT show_id FROM shown) GROUP BY f.show_id"""
_HELD = """
SELECT c.show_id, count(*)::int AS held FROM claims c
 WHERE c.state = 'h' AND c.show_id IN (SELECT show_id FROM shown) GROUP BY c.show_id"""
_COUNTED = f"""
SELECT shown.*, coalesce(sold, 0) AS sold, coalesce(held, 0) AS held
  FROM shown LEFT JOIN ({_SOLD}) sold USING (show_id) LEFT JOIN ({_HELD}) held USING (show_id)"""
_ROWS = f"""
WITH shown AS MATERIALIZED (
    {_SHOWS} AND ($7::timestamptz IS NULL OR (s.starts_at, s.show_id) > ($7, $8::int))
     ORDER BY s.starts_at, s.show_id LIMIT $6)
SELECT c.*, m.title FROM ({_COUNTED}) c JOIN movies m ON m.movie_id = c.movie_id ORDER BY c.starts_at, c.show_id"""
_TOTALS = f"""
WITH shown AS MATERIALIZED ({_SHOWS} AND st.status IS DISTINCT FROM 'cancelled')
SELECT coalesce(sum(total_seats), 0)::bigint AS total_seats, coalesce(sum(available), 0)::bigint AS available,
       coalesce(sum(sold), 0)::bigint AS sold, coalesce(sum(held), 0)::bigint AS held FROM ({_COUNTED}) c"""


def occupancy(movie_id: int | None, period: Period, zones: Zones) -> Query[OccupancyPage]:
    """The query for the occupancy of shows, of one movie or of all."""

    def page(rows: list[Any], totals: list[Any], next_cursor: str | None) -> OccupancyPage:
        return OccupancyPage(
            from_=period.from_text,
            to=period.to_text,
            totals=OccupancyFigures(**_figures(totals[0])),
            items=[OccupancyRowBody(**_show(row), **_figures(row)) for row in rows],
            next_cursor=next_cursor,
        )

    def line(row: Any) -> list[Cell]:
        return [*_show(row).values(), *_figures(row).values()]

    figures = tuple(field.name for field in msgspec.structs.fields(OccupancyFigures))
    return Query(
        name="occupancy",
        period=period,
        rows=_ROWS,
        totals=_TOTALS,
        arguments=(movie_id, zones.known, zones.default),
        cursor=tuple[datetime, int],
        key=lambda row: (row["starts_at"], row["show_id"]),
        page=page,
        header=("show_id", "movie_id", "title", "screen_name", "starts_at", "cancelled", *figures),
        line=line,
    )


def _show(row: Any) -> dict[str, Any]:
    return {
        "show_id": row["show_id"],
        "movie_id": row["movie_id"],
        "title": row["title"],
        "screen_name": row["screen_name"],
        "starts_at": timestamp(to_ms(row["starts_at"])),
        "cancelled": row["cancelled"],
    }


def _figures(row: Any) -> dict[str, Any]:
    total, available, sold, held = (row[name] for name in ("total_seats", "available", "sold", "held"))
    return {
        "total_seats": total,
        "sold": sold,
        "held": held,
        "blocked": total - available - sold - held,
        "available": available,
        "occupancy": round(100 * sold / total, 1) if total else 0.0,
    }
