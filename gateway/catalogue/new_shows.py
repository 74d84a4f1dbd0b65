"""How a show comes into being: a stored layout, a row with its partition, and the command that opens it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.catalogue.days import to_ms
from schemas.api_catalogue import PriceBody
from schemas.commands import OpenShow
from schemas.ids import keyed_command_id
from schemas.layout import Layout, encode_layout, layout_digest

LISTED_PRICES = 20
"""Prices of a show in a list; the show itself has those of all sections."""

_LAYOUT_SQL = """
WITH given AS (
    INSERT INTO layouts (digest, total_seats, body, prices, listed_prices) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (digest) DO NOTHING RETURNING layout_id
)
SELECT layout_id FROM given UNION ALL SELECT layout_id FROM layouts WHERE digest = $1 LIMIT 1
"""
# One at a time, so that shows created at once do not all choose the same partition.
_PLACING = 0x4149534C45
_LOCK_SQL = "SELECT pg_advisory_xact_lock($1)"
_PARTITION_SQL = """
SELECT p FROM unnest($1::int[]) p LEFT JOIN (
    SELECT s.partition, sum(coalesce(st.available, l.total_seats)) AS on_sale, count(*) AS shows
      FROM shows s JOIN layouts l ON l.layout_id = s.layout_id LEFT JOIN show_states st ON st.show_id = s.show_id
     WHERE s.starts_at > now() AND coalesce(st.status, 'open') = 'open' GROUP BY s.partition
) load ON load.partition = p
 ORDER BY coalesce(load.on_sale, 0), coalesce(load.shows, 0), p LIMIT 1
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
    """A show to be made, checked. Times in UTC, to the millisecond."""

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
    """A show that has its row: where its command goes, and the command."""

    partition: int
    command: OpenShow


async def insert_show(connection: Any, show: NewShow, partitions: Sequence[int]) -> Placed:
    """Stores a show, within the connection's transaction, in the partition with the fewest seats on sale."""
    body = encode_layout(show.layout)
    digest = layout_digest(body)
    total_seats = sum(len(row) for section in show.layout.sections for row in section.rows)
    prices = [PriceBody(section.name, section.price) for section in show.layout.sections]
    listed = None if len(prices) <= LISTED_PRICES else _json(listed_prices(prices))
    layout = (digest, total_seats, body, _json(prices), listed)
    layout_id = await connection.fetchval(_LAYOUT_SQL, *layout)
    if layout_id is None:  # stored by another transaction between our two looks
        layout_id = await connection.fetchval(_LAYOUT_SQL, *layout)
    await connection.execute(_LOCK_SQL, _PLACING)
    partition = await connection.fetchval(_PARTITION_SQL, list(partitions))
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
        digest,
        show.starts_at,
        show.seats_per_customer,
        show.sales_start_at,
        show.sales_end_at,
    )
    return Placed(partition, command)


def listed_prices(prices: Sequence[PriceBody]) -> list[PriceBody]:
    """The prices as lists have them: the first section of each price, at most LISTED_PRICES of them."""
    first: dict[tuple[int, str], PriceBody] = {}
    for section in prices:
        first.setdefault((section.price.amount, section.price.currency), section)
    return list(first.values())[:LISTED_PRICES]


async def unopened(connection: Any, older_than_s: float, limit: int) -> list[Placed]:
    """Shows whose writer has not opened them, created at least this long ago."""
    rows = await connection.fetch(_UNOPENED_SQL, older_than_s, limit)
    return [Placed(partition, _open_show(show_id, *rest)) for show_id, partition, *rest in rows]


async def opened(connection: Any, show_id: int) -> bool:
    """Whether the show's writer has opened it."""
    return bool(await connection.fetchval("SELECT 1 FROM show_states WHERE show_id = $1", show_id))


async def remove_unopened(connection: Any, show_id: int) -> None:
    """Removes a show that its writer will never open."""
    await connection.execute(_REMOVE_SQL, show_id)


async def placed(connection: Any, show_id: int) -> Placed:
    """A show that was stored before."""
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
    """The command that opens a show: the same one, with the same id, however often it is made.

    With an Idempotency-Key it has the key's id, so that the writer takes no other command with that key.
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
