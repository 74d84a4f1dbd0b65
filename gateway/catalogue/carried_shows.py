"""The catalogue's rows of a show in the command that opens it: put there, and stored again from there.

The log in Kafka stays as it is when the database is restored from a backup. What the backup lacks of the catalogue
comes back from it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.catalogue.new_shows import Placed, layout_columns
from schemas.catalogue_rows import CatalogueRows, MovieRow, pack_layout, unpack_layout
from schemas.commands import OpenShow
from schemas.layout import decode_layout, layout_digest

_CARRIED_SQL = """
SELECT s.show_id, s.screen_name, s.timezone, s.request_id, s.request_digest, l.body AS layout,
       m.movie_id, m.title, m.duration_minutes, m.description, m.genres, m.language, m.rating, m.poster_url
  FROM shows s JOIN layouts l USING (layout_id) JOIN movies m USING (movie_id)
 WHERE s.show_id = $1
"""
_MOVIE_SQL = """
INSERT INTO movies (movie_id, title, duration_minutes, description, genres, language, rating, poster_url)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""
_LAYOUT_SQL = """
INSERT INTO layouts (layout_id, digest, total_seats, body, prices, listed_prices) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_SHOW_SQL = """
INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, sales_start_at,
                   sales_end_at, partition, request_id, request_digest)
SELECT $1, $2, $3, $4, $5, layout_id, $7, $8, $9, $10, $11, $12 FROM layouts WHERE digest = $6
ON CONFLICT DO NOTHING RETURNING show_id
"""


async def with_catalogue(connection: Any, show: Placed) -> Placed:
    """Adds the catalogue's rows of a stored show to the command that opens it."""
    row = await connection.fetchrow(_CARRIED_SQL, show.command.show_id)
    if row is None:
        return show
    rows = CatalogueRows(
        movie=msgspec.convert({field: row[field] for field in MovieRow.__struct_fields__}, MovieRow),
        screen_name=row["screen_name"],
        timezone=row["timezone"],
        layout=pack_layout(row["layout"]),
        request_id=None if row["request_id"] is None else row["request_id"].bytes,
        request_digest=row["request_digest"],
    )
    return msgspec.structs.replace(show, command=msgspec.structs.replace(show.command, catalogue=rows))


async def store_carried(connection: Any, partition: int, command: OpenShow) -> bool:
    """Stores the rows that a command carries and the database lacks. Returns whether the show was missing.

    Raises ValueError for a layout that is not the one that the command names.
    """
    rows = command.catalogue
    if rows is None:
        return False
    body = unpack_layout(rows.layout)
    if layout_digest(body) != command.layout_digest:
        raise ValueError(f"show {command.show_id} carries another layout than it names")
    await connection.execute(_MOVIE_SQL, *msgspec.structs.astuple(rows.movie))
    await connection.execute(_LAYOUT_SQL, command.layout_id, *layout_columns(decode_layout(body), body))
    stored = await connection.fetchval(
        _SHOW_SQL,
        command.show_id,
        rows.movie.movie_id,
        rows.screen_name,
        _time(command.starts_ms),
        rows.timezone,
        command.layout_digest,
        command.seats_per_customer,
        _time(command.sales_start_ms),
        _time(command.sales_end_ms),
        partition,
        None if rows.request_id is None else UUID(bytes=rows.request_id),
        rows.request_digest,
    )
    return stored is not None


def _time(ms: int | None) -> datetime | None:
    return (
        None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    )
