"""Movies in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import asyncpg
import msgspec

from gateway.catalogue.zones import Zones, local_day
from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from schemas.api_catalogue import ChangeMovieBody, MovieBody, MoviesPage, NewMovieBody
from schemas.ids import MAX_SHOW_ID

MOVIE_COLUMNS = (
    "m.movie_id, m.title, m.duration_minutes, m.description, m.genres, m.language AS movie_language, m.rating, "
    "m.poster_url"
)

_INSERT_SQL = f"""
INSERT INTO movies AS m (title, duration_minutes, description, genres, language, rating, poster_url)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {MOVIE_COLUMNS}
"""
_GET_SQL = f"SELECT {MOVIE_COLUMNS} FROM movies m WHERE movie_id = $1"
_OF_IDS_SQL = f"SELECT {MOVIE_COLUMNS} FROM movies m WHERE movie_id = ANY($1::int[])"
_CHANGE_SQL = f"""
UPDATE movies m
   SET title = coalesce($2, title), duration_minutes = coalesce($3, duration_minutes),
       description = coalesce($4, description), genres = coalesce($5, genres),
       language = coalesce($6, language), rating = coalesce($7, rating), poster_url = coalesce($8, poster_url)
 WHERE movie_id = $1 RETURNING {MOVIE_COLUMNS}
"""
_DELETE_SQL = "DELETE FROM movies WHERE movie_id = $1 RETURNING movie_id"
# A day is one in the show's own time zone, which is at most 14 hours ahead of UTC and 12 behind.
_LIST_SQL = f"""
SELECT {MOVIE_COLUMNS}, lower(m.title) AS sort_title FROM movies m
 WHERE ($1::text IS NULL OR (lower(m.title), m.movie_id) > ($1, $2))
   AND ($3::text IS NULL OR position(fold_text_v1($3) IN m.folded) > 0)
   AND ($4::text IS NULL OR EXISTS (SELECT 1 FROM unnest(m.genres) g WHERE fold_text_v1(g) = fold_text_v1($4)))
   AND ($5::text IS NULL OR replace(fold_text_v1(m.language), '_', '-') = fold_text_v1($5))
   AND ($6::date IS NULL OR EXISTS (
           SELECT 1 FROM shows s LEFT JOIN show_states st ON st.show_id = s.show_id
            WHERE s.movie_id = m.movie_id
              AND s.starts_at >= ($6::date - interval '14 hours') AND s.starts_at < ($6::date + interval '36 hours')
              AND {local_day("s.starts_at", "s.timezone", "$8", "$9")} = $6
              AND st.status IS DISTINCT FROM 'cancelled'))
 ORDER BY lower(m.title), m.movie_id LIMIT $7
"""


class MovieFilter(msgspec.Struct, frozen=True):
    """Filter for the list of movies; None leaves a criterion out. Text matches regardless of case and accents."""

    search: str | None = None
    genre: str | None = None
    language: str | None = None
    on: date | None = None


class Movies:
    """Reads and writes movies."""

    def __init__(self, pool: asyncpg.Pool, zones: Zones) -> None:
        self._pool = pool
        self._zones = zones

    async def add(self, movie: NewMovieBody, connection: Any = None) -> MovieBody:
        """Adds a movie, within the connection's transaction if one is given."""
        return movie_body(await (connection or self._pool).fetchrow(_INSERT_SQL, *_values(movie)))

    async def get(self, movie_id: int) -> MovieBody:
        """One movie. Raises Problem `not_found`."""
        return movie_body(_found(await self._pool.fetchrow(_GET_SQL, _checked_id(movie_id))))

    async def of_ids(self, movie_ids: Collection[int]) -> list[MovieBody]:
        """The movies with these ids, in any order."""
        return [movie_body(row) for row in await self._pool.fetch(_OF_IDS_SQL, list(movie_ids))]

    async def change(self, movie_id: int, change: ChangeMovieBody) -> MovieBody:
        """Changes the given fields. Raises Problem `not_found`."""
        return movie_body(
            _found(await self._pool.fetchrow(_CHANGE_SQL, _checked_id(movie_id), *_values(change)))
        )

    async def delete(self, movie_id: int) -> None:
        """Deletes a movie that has no shows. Raises Problem `not_found` or `in_use`."""
        try:
            _found(await self._pool.fetchrow(_DELETE_SQL, _checked_id(movie_id)))
        except asyncpg.ForeignKeyViolationError:
            raise Problem(
                "in_use", "This movie has shows, possibly past ones, so it cannot be deleted."
            ) from None

    async def page(self, criteria: MovieFilter, limit: int, cursor: str | None) -> MoviesPage:
        """A page of movies by title."""
        title, movie_id = read_cursor(cursor, tuple[str, int]) if cursor is not None else (None, 0)
        if not 0 <= movie_id <= MAX_SHOW_ID or "\0" in (title or ""):
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        rows = await self._pool.fetch(
            _LIST_SQL,
            title,
            movie_id,
            criteria.search,
            criteria.genre,
            criteria.language,
            criteria.on,
            limit + 1,
            [] if criteria.on is None else self._zones.known,
            self._zones.default,
        )
        page, next_cursor = split_page(rows, limit, lambda row: (row["sort_title"], row["movie_id"]))
        return MoviesPage([movie_body(row) for row in page], next_cursor)


def movie_body(row: asyncpg.Record) -> MovieBody:
    """The response body of a movie, from a row with MOVIE_COLUMNS."""
    return MovieBody(
        id=row["movie_id"],
        title=row["title"],
        duration_minutes=row["duration_minutes"],
        description=row["description"],
        genres=row["genres"],
        language=row["movie_language"],
        rating=row["rating"],
        poster_url=row["poster_url"],
    )


def movie_not_found() -> Problem:
    """The problem for an unknown movie."""
    return Problem("not_found", "There is no such movie: GET /api/movies lists them.")


def _values(movie: NewMovieBody | ChangeMovieBody) -> list[Any]:
    return [None if value is msgspec.UNSET else value for value in msgspec.structs.astuple(movie)]


def _checked_id(movie_id: int) -> int:
    if not 0 < movie_id <= MAX_SHOW_ID:
        raise movie_not_found()
    return movie_id


def _found(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise movie_not_found()
    return row
