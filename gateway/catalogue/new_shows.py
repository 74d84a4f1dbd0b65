"""Storage of new shows: the layout, the row with its partition, and the command that opens the show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.catalogue.days import to_ms
from gateway.catalogue.placement import place
from schemas.api_catalogue import PriceBody
from schemas.commands import OpenShow
from schemas.ids import keyed_command_id
from schemas.layout import Layout, encode_layout, layout_digest

LISTED_PRICES = 20
"""Maximum number of prices of a show in a list; the show itself has the prices of all sections."""

_LAYOUT_SQL = """
WITH given AS (
    INSERT INTO layouts (digest, total_seats, body, prices, listed_prices) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (digest) DO NOTHING RETURNING layout_id
)
SELECT layout_id FROM given UNION ALL SELECT layout_id FROM layouts WHERE digest = $1 LIMIT 1
"""
_INSERT_SQL = """
INSERT INTO shows (movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, sales_start_at,
                   sales_end_at, partition, request_id, request_digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING show_id
"""
_PLACED_SQL = """
SELECT s.show_id, s.partition, s.request_id, s.layout_id, l.digest, s.starts_at, s.seats_per_customer,
       s.sales_start_at, s.sales_end_at
  FROM shows s JOIN layouts l ON l.layout_id = s.layout_id
"""
_ONE_SQL = f"{_PLACED_SQL} WHERE s.show_id = $1"
_UNOPENED_SQL = f"""{_PLACED_SQL}
 WHERE NOT EXISTS (SELECT 1 FROM show_states st WHERE st.show_id = s.show_id)
   AND s.created_at <= now() - make_interval(secs => $1)
 ORDER BY s.show_id LIMIT $2
"""
_REMOVE_SQL = """
DELETE FROM shows s WHERE show_id = $1 AND NOT EXISTS (SELECT 1 FROM show_states st WHERE st.show_id = s.show_id)
"""


class NewShow(msgspec.Struct, frozen=True, kw_only=True):
    """A validated new show. Times are in UTC, to the millisecond."""

    movie_id: int
    screen_name: str
    starts_at: datetime
    timezone: str
    layout: Layout
    seats_per_customer: int
    sales_start_at: datetime | None = None
    sales_end_at: datetime | None = None
    request_id: UUID | None = None
    request_digest: bytes | None = None


class Placed(msgspec.Struct, frozen=True):
    """A stored show: its partition, and the command that opens it."""

    partition: int
    command: OpenShow


async def insert_show(
    connection: Any, show: NewShow, partitions: Sequence[int], wanted: int | None = None
) -> Placed:
    """Stores a show, within the connection's transaction, on a partition that `place` chooses.

    Raises UnknownPartition.
    """
    body = encode_layout(show.layout)
    columns = layout_columns(show.layout, body)
    layout_id = await connection.fetchval(_LAYOUT_SQL, *columns)
    if layout_id is None:  # stored by another transaction between the two parts of the statement
        layout_id = await connection.fetchval(_LAYOUT_SQL, *columns)
    partition = await place(connection, partitions, wanted)
    show_id = await connection.fetchval(
        _INSERT_SQL,
        show.movie_id,
        show.screen_name,
        show.starts_at,
        show.timezone,
        layout_id,
        show.seats_per_customer,
        show.sales_start_at,
        show.sales_end_at,
        partition,
        show.request_id,
        show.request_digest,
    )
    command = _open_show(
        show_id,
        show.request_id,
        layout_id,
        columns[0],
        show.starts_at,
        show.seats_per_customer,
        show.sales_start_at,
        show.sales_end_at,
    )
    return Placed(partition, command)


def layout_columns(layout: Layout, body: bytes) -> tuple[str, int, bytes, str, str | None]:
    """The row of a layout without its id: digest, number of seats, body, prices, prices for lists."""
    prices = section_prices(layout)
    listed = None if len(prices) <= LISTED_PRICES else _json(listed_prices(prices))
    total_seats = sum(len(row) for section in layout.sections for row in section.rows)
    return layout_digest(body), total_seats, body, _json(prices), listed


def section_prices(layout: Layout) -> list[PriceBody]:
    """The prices of each section: its own, unless every seat has another, and then those of single seats."""
    prices = []
    for section in layout.sections:
        single = [one for row in section.rows for one in row.prices]
        all_single = sum(len(one.seats) for one in single) == sum(map(len, section.rows))
        first = [] if all_single else [section.price]
        prices += [
            PriceBody(section.name, price)
            for price in dict.fromkeys([*first, *(one.price for one in single)])
        ]
    return prices


def listed_prices(prices: Sequence[PriceBody]) -> list[PriceBody]:
    """The prices for lists: the first section of each price, at most LISTED_PRICES of them."""
    first: dict[tuple[int, str], PriceBody] = {}
    for section in prices:
        first.setdefault((section.price.amount, section.price.currency), section)
    return list(first.values())[:LISTED_PRICES]


async def unopened(connection: Any, older_than_s: float, limit: int) -> list[Placed]:
    """Shows that their seat worker has not opened, at least `older_than_s` after their creation."""
    rows = await connection.fetch(_UNOPENED_SQL, older_than_s, limit)
    return [Placed(partition, _open_show(show_id, *rest)) for show_id, partition, *rest in rows]


async def opened(connection: Any, show_id: int) -> bool:
    """Whether the show's seat worker has opened it."""
    return bool(await connection.fetchval("SELECT 1 FROM show_states WHERE show_id = $1", show_id))


async def remove_unopened(connection: Any, show_id: int) -> None:
    """Deletes a show that its seat worker will never open."""
    await connection.execute(_REMOVE_SQL, show_id)


async def placed(connection: Any, show_id: int) -> Placed:
    """A show from an earlier request."""
    show_id, partition, *rest = await connection.fetchrow(_ONE_SQL, show_id)
    return Placed(partition, _open_show(show_id, *rest))


def _open_show(
    show_id: int,
    request_id: UUID | None,
    layout_id: int,
    digest: str,
    starts_at: datetime,
    seats_per_customer: int,
    sales_start_at: datetime | None,
    sales_end_at: datetime | None,
) -> OpenShow:
    """The command that opens a show; repeats of it have the same id.

    With an Idempotency-Key the id is the key's, so that the seat worker accepts no other command with that key.
    """
    return OpenShow(
        command_id=request_id or keyed_command_id(0, f"open-{show_id}"),
        show_id=show_id,
        staff=True,
        layout_id=layout_id,
        layout_digest=digest,
        starts_ms=to_ms(starts_at),
        seats_per_customer=seats_per_customer,
        sales_start_ms=None if sales_start_at is None else to_ms(sales_start_at),
        sales_end_ms=None if sales_end_at is None else to_ms(sales_end_at),
    )


def _json(prices: Sequence[PriceBody]) -> str:
    return msgspec.json.encode(prices).decode()
