"""The report on holds: the holds of a show by customer, their outcomes, and rejected requests."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.reports.lines import Cell
from gateway.reports.query import Period, Query
from schemas.api_reports import HoldFigures, HoldRowBody, HoldsPage

_COUNTED = """
SELECT user_id, coalesce(h.holds, 0) AS holds,
       coalesce(h.holds - h.confirmed - h.released - h.expired, 0) AS held,
       coalesce(h.confirmed, 0) AS confirmed, coalesce(h.released, 0) AS released,
       coalesce(h.expired, 0) AS expired, coalesce(r.refused, 0) AS refused
  FROM (SELECT * FROM report_holds WHERE show_id = $3::int) h
  FULL JOIN (SELECT user_id, refused FROM hold_refusals WHERE show_id = $3::int) r USING (user_id)
 WHERE $1::date IS NULL AND $2::date IS NULL"""
_ROWS = f"""
SELECT c.*, u.username FROM ({_COUNTED}) c LEFT JOIN users u ON u.user_id = c.user_id
 WHERE $5::int IS NULL OR (-c.holds, c.user_id) > (-$5::int, $6::bigint)
 ORDER BY c.holds DESC, c.user_id LIMIT $4"""
_FIGURES = tuple(field.name for field in msgspec.structs.fields(HoldFigures))
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _FIGURES)
_TOTALS = f"SELECT {_SUMS} FROM ({_COUNTED}) c"


def holds(show_id: int) -> Query[HoldsPage]:
    """The query for the holds of one show by customer, most holds first."""

    def page(rows: list[Any], totals: list[Any], next_cursor: str | None) -> HoldsPage:
        return HoldsPage(
            show_id=show_id,
            totals=HoldFigures(**_figures(totals[0])),
            items=[
                HoldRowBody(user_id=row["user_id"] or None, username=row["username"], **_figures(row))
                for row in rows
            ],
            next_cursor=next_cursor,
        )

    def line(row: Any) -> list[Cell]:
        return [row["user_id"] or None, row["username"], *_figures(row).values()]

    return Query(
        name=f"holds-{show_id}",
        period=Period(None, None),
        rows=_ROWS,
        totals=_TOTALS,
        arguments=(show_id,),
        cursor=tuple[int, int],
        key=lambda row: (row["holds"], row["user_id"]),
        page=page,
        header=("user_id", "username", *_FIGURES),
        line=line,
    )


def _figures(row: Any) -> dict[str, int]:
    return {name: row[name] for name in _FIGURES}
