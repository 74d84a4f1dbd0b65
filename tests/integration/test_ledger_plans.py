"""Reading one show does not cost more for other shows: no query plan of the ledger scans a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from runtime.postgres import connect
from seat_workers import queries
from seat_workers.ledger import Ledger

SHOWS, BOOKINGS = 40, 500

_SOLD = f"""
    INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, starts_ms,
                             seats_per_customer)
    SELECT s, 0, 'open', 0, 0, 1, 'x', 0, 10 FROM generate_series(1, {SHOWS}) s;
    INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition,
                          log_offset)
    SELECT md5(s || '-' || b)::uuid, s, b, 'confirmed', ARRAY['A1'], 1, 'EUR', 0, 0, b
      FROM generate_series(1, {SHOWS}) s, generate_series(1, {BOOKINGS}) b;
    INSERT INTO claims (show_id, seat, state, booking_id)
    SELECT s, b, 's', md5(s || '-' || b)::uuid
      FROM generate_series(1, {SHOWS}) s, generate_series(1, {BOOKINGS}) b;
    INSERT INTO claims (show_id, seat, state, code, release_ms)
    SELECT s, {BOOKINGS} + n, 'b', 'press', CASE n WHEN 1 THEN 1000 END
      FROM generate_series(1, {SHOWS}) s, generate_series(1, 20) n;
    ANALYZE"""


@pytest.fixture
async def sold(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_SOLD)
    finally:
        await connection.close()
    return database_url


@pytest.fixture
async def ledger(sold: str) -> AsyncIterator[Ledger]:
    made = Ledger(partial(connect, sold))
    yield made
    await made.close()


@pytest.mark.parametrize("use", ["read", "load"])
@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        (queries.SHOWS, ([1, 2, 3], [0])),
        (queries.SHOWS_WITH_HOLDS, ([0],)),
        (queries.CANCELLED_SHOWS_WITH_BOOKINGS, ([0],)),
        (queries.BOOKINGS, ([],)),
        (queries.FIRST_DECISIONS, ([],)),
    ],
)
async def test_shows_are_loaded_by_key(
    ledger: Ledger, use: str, query: str, arguments: tuple[list[int], ...]
) -> None:
    connection = await ledger._connection(use)
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *arguments))
    for table in ("bookings", "claims", "decisions", "command_ids"):
        assert f"Seq Scan on {table}" not in plan, plan
