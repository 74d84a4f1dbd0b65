"""Sample data: movies, users and shows at the first start, and shows of the coming days at each later start.

Loading is idempotent and completes an interrupted earlier load. Accounts and movies are created once: those that were
removed later are not created again. With AISLE_SAMPLE_DATA=off there is none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from typing import Any

import msgspec

from gateway.catalogue.carried_shows import with_catalogue
from gateway.catalogue.new_shows import NewShow, insert_show, unopened
from ops.first_start import DEMO_USER, first_start, lock
from ops.sample.layouts import cinema
from ops.sample.programme import FEW, SLOTS, programme
from runtime import postgres
from runtime.log import Log
from runtime.settings import Settings
from schemas.api_catalogue import NewMovieBody
from schemas.layout import Layout, Row, decode_layout
from schemas.wire import COMMANDS_TOPIC, encode

_SEATS_PER_CUSTOMER = 10
_EXAMPLE_SEATS = 2

_FIRST_USERS = (DEMO_USER, "staff", "admin")
_ACTIVE_SQL = "SELECT lower(username) AS username FROM users WHERE lower(username) = ANY ($1) AND active"
_MOVIE_SQL = """
INSERT INTO movies (title, duration_minutes, description, genres, language, rating, poster_url)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_ANY_MOVIE_SQL = "SELECT EXISTS (SELECT 1 FROM movies)"
_MOVIES_PENDING_SQL = "UPDATE first_start SET movies_made = true WHERE NOT movies_made RETURNING true"
_MOVIES_SQL = "SELECT title, min(movie_id) AS movie_id FROM movies WHERE title = ANY ($1) GROUP BY title"
_COMING_SQL = "SELECT count(*) FROM shows WHERE starts_at > now() AND screen_name = ANY ($1)"
_TAKEN_SLOT_SQL = "SELECT EXISTS (SELECT 1 FROM shows WHERE screen_name = $1 AND starts_at = $2)"
# A show with seats that the demo user can book; the cinema first, whose seat map is the best example.
_EXAMPLE_SQL = """
SELECT s.show_id, l.body,
       ARRAY(SELECT c.seat FROM claims c WHERE c.show_id = s.show_id) AS claimed
  FROM shows s JOIN layouts l ON l.layout_id = s.layout_id
  LEFT JOIN show_states st ON st.show_id = s.show_id
 WHERE s.starts_at > now() + interval '30 minutes' AND coalesce(st.status, 'open') = 'open'
   AND coalesce(st.available, l.total_seats) >= $2
   AND (s.sales_start_at IS NULL OR s.sales_start_at <= now()) AND (s.sales_end_at IS NULL OR s.sales_end_at > now())
   AND $2 <= s.seats_per_customer - (
           SELECT coalesce(sum(cardinality(b.seats)), 0) FROM bookings b JOIN users u USING (user_id)
            WHERE u.username = $3 AND b.show_id = s.show_id AND b.status IN ('held', 'confirmed'))
 ORDER BY s.screen_name <> $1, s.starts_at, s.show_id LIMIT 50
"""


class SampleData(msgspec.Struct, frozen=True):
    """Generated passwords, and a show with free seats as an example."""

    sample_data: bool
    """False: AISLE_SAMPLE_DATA was off when the database was new."""
    users: frozenset[str]
    """Which of `demo`, `staff` and `admin` exist and are active."""
    admin_password: str | None
    """Password of the user `admin`; None for an existing user."""
    staff_password: str | None
    """Password of the user `staff`; None for an existing user."""
    show_id: int | None
    """A show on sale; None without one."""
    seats: tuple[str, ...]
    """Free seats of that show."""


async def load(database_url: str, log: Log, *, settings: Settings) -> SampleData:
    """Loads the missing parts. The shows are on sale once a seat worker runs. Raises LogUnavailable."""
    connection = await postgres.connect(database_url, "sample data")
    appender = log.appender(COMMANDS_TOPIC)
    try:
        await lock(connection)
        partitions = sorted(await log.bounds(COMMANDS_TOPIC))
        async with connection.transaction():
            first = await first_start(connection, settings)
            if first.sample_data:
                await _load_movies(connection)
                await _load_shows(connection, settings, partitions)
        opening = await unopened(connection, 0, 100_000)
        if log.outlives_database:
            opening = [await with_catalogue(connection, placed) for placed in opening]
        await appender.append_many([(placed.partition, encode(placed.command)) for placed in opening])
        active = await connection.fetch(_ACTIVE_SQL, _FIRST_USERS)
        users = frozenset(row["username"] for row in active)
        show_id, seats = await _example(connection) if DEMO_USER in users else (None, ())
        made = first.passwords
        return SampleData(first.sample_data, users, made.get("admin"), made.get("staff"), show_id, seats)
    finally:
        await appender.close()
        await connection.close()


def sample_movies() -> list[NewMovieBody]:
    """Returns the sample movies."""
    text = resources.files("ops.sample").joinpath("movies.json").read_bytes()
    return msgspec.json.decode(text, type=list[NewMovieBody])


async def _load_movies(connection: Any) -> None:
    # Once: a venue's own programme, or one it has reduced, stays unchanged.
    if await connection.fetchval(_MOVIES_PENDING_SQL) and not await connection.fetchval(_ANY_MOVIE_SQL):
        rows = [msgspec.structs.astuple(movie) for movie in sample_movies()]
        await connection.executemany(_MOVIE_SQL, rows)


async def _load_shows(connection: Any, settings: Settings, partitions: list[int]) -> None:
    screens = sorted({slot.screen_name for slot in SLOTS})
    if await connection.fetchval(_COMING_SQL, screens) >= FEW:
        return
    movies = sample_movies()
    ids = {
        row["title"]: row["movie_id"]
        for row in await connection.fetch(_MOVIES_SQL, [m.title for m in movies])
    }
    movies = [movie for movie in movies if movie.title in ids]
    if not movies:
        return
    family = frozenset(n for n, movie in enumerate(movies) if "Family" in movie.genres)
    for movie, slot, starts_at in programme(len(movies), family, settings.timezone, datetime.now(UTC)):
        if not await connection.fetchval(_TAKEN_SLOT_SQL, slot.screen_name, starts_at):
            show = NewShow(
                movie_id=ids[movies[movie].title],
                screen_name=slot.screen_name,
                starts_at=starts_at,
                timezone=settings.timezone,
                layout=slot.layout(settings.currency),
                seats_per_customer=_SEATS_PER_CUSTOMER,
            )
            await insert_show(connection, show, partitions)


async def _example(connection: Any) -> tuple[int | None, tuple[str, ...]]:
    screen_name = next(slot.screen_name for slot in SLOTS if slot.layout is cinema)
    for row in await connection.fetch(_EXAMPLE_SQL, screen_name, _EXAMPLE_SEATS, DEMO_USER):
        seats = side_by_side(decode_layout(row["body"]), frozenset(row["claimed"]), _EXAMPLE_SEATS)
        if seats is not None:
            return row["show_id"], seats
    return None, ()


def side_by_side(layout: Layout, claimed: frozenset[int], wanted: int) -> tuple[str, ...] | None:
    """Returns the first free adjacent seats of a layout, in the middle of a row if possible."""
    first = 0
    for section in layout.sections:
        for row in section.rows:
            for start in _from_the_middle(row, wanted):
                seats = range(start, start + wanted)
                no_aisle = not any(start < after < start + wanted for after in row.aisles_after)
                if no_aisle and claimed.isdisjoint(first + seat for seat in seats):
                    labels = row.labels(layout.pattern_of(section))
                    return tuple(labels[seat] for seat in seats)
            first += len(row)
    return None


def _from_the_middle(row: Row, wanted: int) -> list[int]:
    last = len(row) - wanted
    return sorted(range(last + 1), key=lambda start: abs(2 * start - last))
