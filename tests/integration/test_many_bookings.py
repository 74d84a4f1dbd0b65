"""Pagination of ten thousand bookings: each once, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.settings import Settings
from schemas.ids import new_booking_id
from tests.integration.gateway_server import KEYS, serving

CUSTOMER, OTHER = 7, 8
MANY = 10_000

_ADD = """
INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition, log_offset)
SELECT b.booking_id, 1, CASE WHEN n % 3 = 0 THEN $2::bigint ELSE $3 END, 'confirmed', ARRAY['A1'], 0, 'EUR', n, 0, n
  FROM unnest($1::uuid[]) WITH ORDINALITY b (booking_id, n)"""


async def test_pages_of_ten_thousand_bookings_are_complete(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    ids = [new_booking_id(1, 1_763_700_000_000 + n, n) for n in range(MANY * 3)]
    mine = [booking_id for n, booking_id in enumerate(ids, 1) if n % 3 == 0]
    assert len(mine) == MANY
    async with serving(made, worker=False) as server, server.client(CUSTOMER) as client:
        await server.sql(_ADD, ids, CUSTOMER, OTHER)
        await server.sql("ANALYZE bookings")
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 100}
        while query.get("cursor", "first"):
            page = (await client.get("/api/me/bookings", params=query)).raise_for_status().json()
            seen += [booking["id"] for booking in page["items"]]
            query["cursor"] = page["next_cursor"]
        assert seen == [str(booking_id) for booking_id in reversed(mine)]
