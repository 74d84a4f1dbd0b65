"""`python -m loadtest.reports`: duration of the reports on a million bookings, on a new PostgreSQL."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import typer

from gateway.catalogue.zones import Zones, read_zones
from gateway.reports.customers import customers
from gateway.reports.figures import ReportFigures
from gateway.reports.groups import cancellations, sales
from gateway.reports.occupancy import occupancy
from gateway.reports.query import Period, Query, ReportReader
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.migrations import migrate

ROUNDS = 5

# 200,000 customers, 2,000 shows, 90 days; every twentieth booking is cancelled.
_FILL_SQL = """
INSERT INTO users (user_id, username) SELECT n, 'user' || n FROM generate_series(1, 200000) n;
INSERT INTO movies (movie_id, title, duration_minutes) SELECT n, 'Movie ' || n, 100 FROM generate_series(1, 100) n;
INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, 'd', 5000, '');
INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, partition)
SELECT n, n % 100 + 1, 'Screen ' || n % 12, timestamptz '2026-09-01' + n * interval '1 hour', 'Europe/Berlin', 1, 10,
       n % 8 FROM generate_series(1, 2000) n;
CREATE TEMP TABLE made AS
SELECT n, gen_random_uuid() AS booking_id, 1 + n % 2000 AS show_id, 1 + (random() * 199999)::bigint AS user_id,
       1780000000000 + n::bigint * 7776000000 / {bookings} AS at_ms, 1 + n % 3 AS seats, n % 20 = 0 AS cancelled
  FROM generate_series(1, {bookings}) n;
INSERT INTO decisions
SELECT show_id % 8, row_number() OVER (PARTITION BY show_id % 8 ORDER BY at_ms) - 1, at_ms,
       convert_to(jsonb_build_object('type', CASE step WHEN 1 THEN 'BookSeats' ELSE 'CancelBooking' END,
           'command_id', gen_random_uuid(), 'show_id', show_id, 'user_id', user_id, 'booking_id', booking_id)::text,
           'UTF8'),
       convert_to(jsonb_build_object('events', jsonb_build_array(jsonb_build_object('booking', booking,
           'type', CASE step WHEN 1 THEN 'BookingConfirmed' ELSE 'BookingCancelled' END)), 'booking', booking)::text,
           'UTF8'), 1
  FROM (SELECT n, show_id, user_id, booking_id, step, made.at_ms + (step - 1) * 86400000 AS at_ms,
               jsonb_build_object('booking_id', booking_id, 'show_id', show_id, 'user_id', user_id, 'status',
                   'confirmed', 'seats', to_jsonb((ARRAY['C12', 'C13', 'C14'])[:seats]), 'total', seats * 1200,
                   'currency', 'EUR', 'created_ms', made.at_ms) AS booking
          FROM made CROSS JOIN generate_series(1, 2) step WHERE step = 1 OR cancelled) decided;
INSERT INTO partitions (partition, epoch, next_offset)
SELECT partition, 1, max(log_offset) + 1 FROM decisions GROUP BY partition;
INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, starts_ms,
                         seats_per_customer)
SELECT s.show_id, s.partition, 'open', 0, 5000 - coalesce(sum(m.seats) FILTER (WHERE NOT m.cancelled), 0), 1, 'd', 0, 10
  FROM shows s LEFT JOIN made m USING (show_id) GROUP BY s.show_id;
"""


def main(bookings: int = 1_000_000) -> None:
    """Fills a database, aggregates the figures and reads every report several times."""
    with tempfile.TemporaryDirectory(prefix="aisle-reports-") as home:
        server = EmbeddedPostgres(Path(home))
        with run_servers(server):
            asyncio.run(_measure(server.url, bookings))


async def _measure(url: str, bookings: int) -> None:
    await migrate(url)
    settings = {"jit": "off", "synchronous_commit": "off"}
    async with asyncpg.create_pool(url, min_size=1, max_size=2, server_settings=settings) as pool:
        await pool.execute(_FILL_SQL.format(bookings=bookings), timeout=600)
        decisions = await pool.fetchval("SELECT count(*) FROM decisions")
        zones = await read_zones(pool, "UTC")
        figures = ReportFigures(pool, zones)
        began = time.perf_counter()
        while await figures.aggregate():
            pass
        each_us = (time.perf_counter() - began) / decisions * 1e6
        typer.echo(
            f"{bookings:,} bookings, {decisions:,} decisions; gathering: {each_us:.1f} µs per decision"
        )
        await pool.execute("VACUUM ANALYZE")
        reader = ReportReader(pool, figures)
        for name, query in _queries(zones):
            await _time(reader, name, query)


def _queries(zones: Zones) -> list[tuple[str, Query[Any]]]:
    all_time = Period(None, None)
    week = Period(date(2026, 7, 1), date(2026, 7, 7))
    dated = Period(date(2026, 1, 1), None)
    return [
        ("sales by day", sales("day", all_time)),
        ("sales by movie", sales("movie", all_time)),
        ("sales by show", sales("show", all_time)),
        ("sales by screen", sales("screen", all_time)),
        ("cancellations by day", cancellations("day", all_time)),
        ("occupancy", occupancy(None, all_time, zones)),
        ("customers", customers(all_time)),
        ("customers of a week", customers(week)),
        ("customers of a period with all bookings", customers(dated)),
    ]


async def _time(reader: ReportReader, name: str, query: Query[Any]) -> None:
    times_ms = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await reader.page(query, 20, None)
        times_ms.append((time.perf_counter() - began) * 1000)
    typer.echo(f"{name:45} {statistics.median(times_ms):6.0f} ms, at most {max(times_ms):.0f}")


if __name__ == "__main__":
    typer.run(main)
