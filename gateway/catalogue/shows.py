"""Shows as clients see them: the catalogue's row, what the writer says, and the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from gateway.bodies import invalid
from gateway.catalogue.days import to_ms
from gateway.catalogue.movies import MOVIE_COLUMNS, movie_body, no_movie
from gateway.catalogue.zones import Zones, local_day
from gateway.pages import cut, read_cursor
from gateway.problems import Problem
from schemas.api import timestamp
from schemas.api_catalogue import PriceBody, ShowBody, ShowsPage
from schemas.ids import MAX_SHOW_ID

# The one rule for a show's status, and for whose terms count: its writer's, once it has opened the show; until
# then there is no row in show_states. Lists go by the catalogue's copy of the start, which has the index.
_SHOWS_SQL = f"""
SELECT s.show_id, s.partition, s.screen_name, s.timezone, s.starts_at AS listed_at, l.total_seats, {{prices}} AS prices,
       coalesce(st.available, l.total_seats) AS available, coalesce(st.version, -1) AS version, clock.ms AS now_ms,
       terms.*, {MOVIE_COLUMNS},
       CASE WHEN st.status = 'cancelled' THEN 'cancelled'
            WHEN terms.starts_ms <= clock.ms THEN 'past'
            WHEN st.show_id IS NULL THEN 'opening'
            WHEN st.status = 'closed' THEN 'closed'
            WHEN terms.sales_start_ms > clock.ms THEN 'scheduled'
            WHEN terms.sales_end_ms <= clock.ms THEN 'closed'
            ELSE 'on_sale' END AS status
  FROM shows s
  JOIN movies m ON m.movie_id = s.movie_id
  JOIN layouts l ON l.layout_id = s.layout_id
  LEFT JOIN show_states st ON st.show_id = s.show_id
 CROSS JOIN (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) clock
 CROSS JOIN LATERAL (
       SELECT st.starts_ms, st.seats_per_customer, st.sales_start_ms, st.sales_end_ms WHERE st.show_id IS NOT NULL
       UNION ALL
       SELECT (extract(epoch FROM s.starts_at) * 1000)::bigint, s.seats_per_customer,
              (extract(epoch FROM s.sales_start_at) * 1000)::bigint,
              (extract(epoch FROM s.sales_end_at) * 1000)::bigint WHERE st.show_id IS NULL) terms
"""
_GET_SQL = f"{_SHOWS_SQL.format(prices='l.prices')} WHERE s.show_id = $1"
# Days are those of the show's own time zone, at most 14 hours ahead of UTC and 12 behind: only starts within a day of
# the bounds need a look at the zone. What is available has not begun: that spares reading all that is past.
_DAY = local_day("s.starts_at", "s.timezone", "$10", "$11")
_LIST_SQL = f"""
SELECT * FROM ({_SHOWS_SQL.format(prices="coalesce(l.listed_prices, l.prices)")}
 WHERE (s.starts_at, s.show_id) > ($1::timestamptz, $2::int)
   AND ($3::int IS NULL OR s.movie_id = $3)
   AND s.starts_at >= greatest(coalesce($4::date - interval '14 hours', $5::timestamptz, '-infinity'),
                               CASE WHEN $8::boolean THEN now() ELSE '-infinity' END)
   AND ($4::date IS NULL OR s.starts_at >= $4::date + interval '12 hours' OR {_DAY} >= $4)
   AND s.starts_at < coalesce($6::date + interval '36 hours', $7::timestamptz, 'infinity')
   AND ($6::date IS NULL OR s.starts_at < $6::date + interval '10 hours' OR {_DAY} <= $6)
) listed
 WHERE $8::boolean IS NULL OR (status = 'on_sale' AND available > 0) = $8
 ORDER BY listed_at, show_id LIMIT $9
"""
_MOVIE_SQL = "SELECT 1 FROM movies WHERE movie_id = $1"

_ON_SALE_LASTS_S = 0.5

_read_prices = msgspec.json.Decoder(list[PriceBody]).decode


class ShowFilter(msgspec.Struct, frozen=True):
    """Which shows to list; None leaves a criterion out.

    Days count in each show's own time zone, `to_day` included; instants from `from_at` to before `to_at`.
    """

    movie_id: int | None = None
    from_day: date | None = None
    from_at: datetime | None = None
    to_day: date | None = None
    to_at: datetime | None = None
    available: bool | None = None
    """Whether seats can be booked just now."""


class SeenShow(NamedTuple):
    """A show, where its writer is, and for how many seconds it stays so unless somebody does something."""

    body: ShowBody
    partition: int
    lasts_s: float


class SeenShows(NamedTuple):
    """A page of shows, and for how many seconds it stays so unless somebody does something."""

    page: ShowsPage
    lasts_s: float


class Shows:
    """Reads shows."""

    def __init__(self, pool: asyncpg.Pool, zones: Zones) -> None:
        self._pool = pool
        self._zones = zones

    async def get(self, show_id: int) -> ShowBody:
        """One show. Raises Problem `not_found`."""
        return (await self.see(show_id)).body

    async def see(self, show_id: int) -> SeenShow:
        """One show, and how long that is good for. Raises Problem `not_found`."""
        row = await self._pool.fetchrow(_GET_SQL, show_id) if 0 < show_id <= MAX_SHOW_ID else None
        if row is None:
            raise no_show()
        return SeenShow(self._body(row), row["partition"], _lasts_s([row]))

    async def page(self, wanted: ShowFilter, limit: int, cursor: str | None) -> ShowsPage:
        """Shows by the time they start."""
        return (await self.see_page(wanted, limit, cursor)).page

    async def see_page(self, wanted: ShowFilter, limit: int, cursor: str | None) -> SeenShows:
        """Shows by the time they start, and how long that is good for."""
        starts_ms, show_id = read_cursor(cursor, tuple[int, int]) if cursor is not None else (0, 0)
        if not (0 <= starts_ms < 2**43 and 0 <= show_id <= MAX_SHOW_ID):
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        after = datetime.fromtimestamp(starts_ms // 1000, UTC).replace(microsecond=starts_ms % 1000 * 1000)
        rows = await self._pool.fetch(
            _LIST_SQL,
            after,
            show_id,
            wanted.movie_id,
            wanted.from_day,
            wanted.from_at,
            wanted.to_day,
            wanted.to_at,
            wanted.available,
            limit + 1,
            [] if wanted.from_day is None and wanted.to_day is None else self._zones.known,
            self._zones.house,
        )
        page, next_cursor = cut(rows, limit, lambda row: (to_ms(row["listed_at"]), row["show_id"]))
        # Which shows are on sale goes by the clock, too, of those that are not on this page as well.
        longest_s = math.inf if wanted.available is None else _ON_SALE_LASTS_S
        return SeenShows(
            ShowsPage([self._body(row) for row in page], next_cursor), min(_lasts_s(page), longest_s)
        )

    async def see_page_of_movie(self, wanted: ShowFilter, limit: int, cursor: str | None) -> SeenShows:
        """Shows of one movie. Raises Problem `not_found` when there is no such movie."""
        movie_id = wanted.movie_id or 0
        if not (0 < movie_id <= MAX_SHOW_ID and await self._pool.fetchval(_MOVIE_SQL, movie_id)):
            raise no_movie()
        return await self.see_page(wanted, limit, cursor)

    def _body(self, row: asyncpg.Record) -> ShowBody:
        return _show_body(row, self._zones.shown(row["timezone"]))


def no_show() -> Problem:
    """There is no such show."""
    return Problem("not_found", "There is no such show: GET /api/shows lists them.")


def _show_body(row: asyncpg.Record, timezone: str) -> ShowBody:
    return ShowBody(
        id=row["show_id"],
        movie=movie_body(row),
        screen_name=row["screen_name"],
        starts_at=timestamp(row["starts_ms"]),
        timezone=timezone,
        status=row["status"],
        total_seats=row["total_seats"],
        available_seats=row["available"],
        seats_per_customer=row["seats_per_customer"],
        prices=_read_prices(row["prices"]),
        sales_start_at=_timestamp(row["sales_start_ms"]),
        sales_end_at=_timestamp(row["sales_end_ms"]),
    )


def _lasts_s(rows: Sequence[asyncpg.Record]) -> float:
    """Until the first of these shows starts, goes on sale or off sale."""
    ahead = (
        row[name] - row["now_ms"]
        for row in rows
        for name in ("starts_ms", "sales_start_ms", "sales_end_ms")
        if row[name] is not None and row[name] > row["now_ms"]
    )
    return min(ahead, default=math.inf) / 1000


def _timestamp(ms: int | None) -> str | None:
    return None if ms is None else timestamp(ms)
