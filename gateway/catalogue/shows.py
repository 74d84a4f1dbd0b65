"""Shows as clients see them: the catalogue's row, the seat worker's state, and the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from gateway.catalogue.days import to_ms
from gateway.catalogue.movies import MOVIE_COLUMNS, movie_body, movie_not_found
from gateway.catalogue.zones import Zones, local_day
from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from schemas.api import timestamp
from schemas.api_catalogue import PriceBody, ShowBody, ShowsPage, Status
from schemas.ids import MAX_SHOW_ID

# The rule for a show's status and terms: the seat worker's state counts once it has opened the show; until then there
# is no row in show_states. Lists are ordered by the catalogue's copy of the start, which is indexed.
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
# the bounds need the zone. An available show has not started, so past shows are not read for that filter.
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
_UPCOMING_SQL = f"""
SELECT show_id, movie_id, screen_name, timezone, starts_ms, sales_start_ms, status, available, total_seats
  FROM ({_SHOWS_SQL.format(prices="NULL")} WHERE s.starts_at > now() ORDER BY s.starts_at, s.show_id LIMIT $1) upcoming
 WHERE status NOT IN ('past', 'cancelled') ORDER BY starts_ms, show_id
"""
_MOVIE_SQL = "SELECT 1 FROM movies WHERE movie_id = $1"

_ON_SALE_MAX_AGE_S = 0.5

_read_prices = msgspec.json.Decoder(list[PriceBody]).decode


class ShowFilter(msgspec.Struct, frozen=True):
    """Filter for the list of shows; None leaves a criterion out.

    Days are in each show's own time zone and include `to_day`; instants are from `from_at` to before `to_at`.
    """

    movie_id: int | None = None
    from_day: date | None = None
    from_at: datetime | None = None
    to_day: date | None = None
    to_at: datetime | None = None
    available: bool | None = None
    """Whether seats can be booked now."""


class UpcomingShow(msgspec.Struct, frozen=True, array_like=True):
    """A show that has not started, in short."""

    id: int
    movie_id: int
    screen_name: str
    starts_ms: int
    timezone: str
    status: Status
    available_seats: int
    total_seats: int
    sales_start_ms: int | None

    @property
    def has_seats(self) -> bool:
        """Whether seats can be booked now."""
        return self.status == "on_sale" and self.available_seats > 0


class CacheableShow(NamedTuple):
    """A show, its partition, and the seconds until it changes by the passage of time alone."""

    body: ShowBody
    partition: int
    max_age_s: float


class CacheableShows(NamedTuple):
    """A page of shows, and the seconds until it changes by the passage of time alone."""

    page: ShowsPage
    max_age_s: float


class Shows:
    """Reads shows."""

    def __init__(self, pool: asyncpg.Pool, zones: Zones) -> None:
        self._pool = pool
        self._zones = zones

    async def get(self, show_id: int) -> ShowBody:
        """One show. Raises Problem `not_found`."""
        return (await self.cacheable(show_id)).body

    async def cacheable(self, show_id: int) -> CacheableShow:
        """One show, for the response cache. Raises Problem `not_found`."""
        row = await self._pool.fetchrow(_GET_SQL, show_id) if 0 < show_id <= MAX_SHOW_ID else None
        if row is None:
            raise show_not_found()
        return CacheableShow(self._body(row), row["partition"], _max_age_s([row]))

    async def page(self, criteria: ShowFilter, limit: int, cursor: str | None) -> ShowsPage:
        """A page of shows by start."""
        return (await self.cacheable_page(criteria, limit, cursor)).page

    async def cacheable_page(self, criteria: ShowFilter, limit: int, cursor: str | None) -> CacheableShows:
        """A page of shows by start, for the response cache."""
        starts_ms, show_id = read_cursor(cursor, tuple[int, int]) if cursor is not None else (0, 0)
        if not (0 <= starts_ms < 2**43 and 0 <= show_id <= MAX_SHOW_ID):
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        after = datetime.fromtimestamp(starts_ms // 1000, UTC).replace(microsecond=starts_ms % 1000 * 1000)
        rows = await self._pool.fetch(
            _LIST_SQL,
            after,
            show_id,
            criteria.movie_id,
            criteria.from_day,
            criteria.from_at,
            criteria.to_day,
            criteria.to_at,
            criteria.available,
            limit + 1,
            [] if criteria.from_day is None and criteria.to_day is None else self._zones.known,
            self._zones.default,
        )
        page, next_cursor = split_page(rows, limit, lambda row: (to_ms(row["listed_at"]), row["show_id"]))
        # The clock also decides which shows are on sale, including those that are not on this page.
        longest_s = math.inf if criteria.available is None else _ON_SALE_MAX_AGE_S
        return CacheableShows(
            ShowsPage([self._body(row) for row in page], next_cursor), min(_max_age_s(page), longest_s)
        )

    async def upcoming(self, limit: int) -> list[UpcomingShow]:
        """The next shows, by start, without cancelled ones."""
        return [
            UpcomingShow(
                id=row["show_id"],
                movie_id=row["movie_id"],
                screen_name=row["screen_name"],
                starts_ms=row["starts_ms"],
                timezone=self._zones.shown(row["timezone"]),
                status=row["status"],
                available_seats=row["available"],
                total_seats=row["total_seats"],
                sales_start_ms=row["sales_start_ms"],
            )
            for row in await self._pool.fetch(_UPCOMING_SQL, limit)
        ]

    async def cacheable_page_of_movie(
        self, criteria: ShowFilter, limit: int, cursor: str | None
    ) -> CacheableShows:
        """A page of the shows of one movie, for the response cache. Raises Problem `not_found`."""
        movie_id = criteria.movie_id or 0
        if not (0 < movie_id <= MAX_SHOW_ID and await self._pool.fetchval(_MOVIE_SQL, movie_id)):
            raise movie_not_found()
        return await self.cacheable_page(criteria, limit, cursor)

    def _body(self, row: asyncpg.Record) -> ShowBody:
        return _show_body(row, self._zones.shown(row["timezone"]))


def show_not_found() -> Problem:
    """The problem for an unknown show."""
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


def _max_age_s(rows: Sequence[asyncpg.Record]) -> float:
    """Seconds until the first of these shows starts, goes on sale or goes off sale."""
    ahead = (
        row[name] - row["now_ms"]
        for row in rows
        for name in ("starts_ms", "sales_start_ms", "sales_end_ms")
        if row[name] is not None and row[name] > row["now_ms"]
    )
    return min(ahead, default=math.inf) / 1000


def _timestamp(ms: int | None) -> str | None:
    return None if ms is None else timestamp(ms)
