"""Aggregation of report figures from the decisions, in batches and independently of the seat workers.

Before a report is read, the decisions since the last batch are aggregated too, so it is current. Aggregating in the
background keeps that remainder small. Seat workers pay no index and no wait, and the share of the CPU is bounded: the
longer a batch takes, the longer the pause.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from gateway.catalogue.zones import Zones, local_day
from gateway.http.problems import Problem
from runtime.outdated_plans import retry_outdated_plans
from runtime.polling import OutageLog
from runtime.postgres import DATABASE_ERRORS

_BATCH = 1_000
"""Decisions of each partition in one batch."""
_EVERY_S = 5.0
_PAUSE_FACTOR = 24.0
"""Length of the pause, as a multiple of the time that a batch took: at largest 1/25 of a core is used."""
_CATCH_UP_TIMEOUT_S = 8.0

# One batch at a time. The next statement sees the result of the one before.
_LOCK_SQL = "LOCK TABLE report_progress IN SHARE ROW EXCLUSIVE MODE"
# The day from `report_moves_v2` is not used: it fails for a zone that the database does not have. The planner inlines
# the function, so that its unused columns are not computed.
_DAY = local_day("to_timestamp(d.at_ms / 1000.0)", "coalesce(s.timezone, 'UTC')", "$2", "$3")
_AGGREGATE_SQL = f"""
WITH batch AS MATERIALIZED (
    SELECT p.partition, d.*
      FROM partitions p LEFT JOIN report_progress r USING (partition)
     CROSS JOIN LATERAL (SELECT log_offset, at_ms, command, answer FROM decisions d
                          WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                          ORDER BY d.log_offset LIMIT $1) d
), moves AS MATERIALIZED (
    SELECT m.show_id, {_DAY} AS day, m.user_id, m.currency, m.bookings, m.seats, m.gross,
           m.cancelled_bookings, m.cancelled_seats, m.cancelled, m.cancelled_by_staff, m.cancelled_by_show
      FROM batch d CROSS JOIN LATERAL report_moves_v2(d.at_ms, d.command, d.answer) m
      LEFT JOIN shows s ON s.show_id = m.show_id
), progress AS (
    INSERT INTO report_progress SELECT partition, max(log_offset) + 1 FROM batch GROUP BY partition
        ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset
), holds AS (
    INSERT INTO report_holds AS t
    SELECT m.show_id, m.user_id, sum(m.holds), sum(m.confirmed), sum(m.released), sum(m.expired)
      FROM batch d CROSS JOIN LATERAL report_hold_moves_v1(d.command, d.answer) m GROUP BY m.show_id, m.user_id
        ON CONFLICT (show_id, user_id) DO UPDATE
       SET holds = t.holds + excluded.holds, confirmed = t.confirmed + excluded.confirmed,
           released = t.released + excluded.released, expired = t.expired + excluded.expired
), sales AS (
    INSERT INTO report_sales AS t
    SELECT show_id, day, currency, sum(bookings), sum(seats), sum(gross), sum(cancelled_bookings),
           sum(cancelled_seats), sum(cancelled), sum(cancelled_by_staff), sum(cancelled_by_show)
      FROM moves GROUP BY show_id, day, currency
        ON CONFLICT (show_id, day, currency) DO UPDATE
       SET bookings = t.bookings + excluded.bookings, seats = t.seats + excluded.seats,
           gross = t.gross + excluded.gross,
           cancelled_bookings = t.cancelled_bookings + excluded.cancelled_bookings,
           cancelled_seats = t.cancelled_seats + excluded.cancelled_seats,
           cancelled = t.cancelled + excluded.cancelled,
           cancelled_by_staff = t.cancelled_by_staff + excluded.cancelled_by_staff,
           cancelled_by_show = t.cancelled_by_show + excluded.cancelled_by_show
), customer_days AS (
    INSERT INTO report_customer_days AS t
    SELECT day, user_id, currency, sum(bookings), sum(seats), sum(gross), sum(cancelled_bookings),
           sum(cancelled_seats), sum(cancelled)
      FROM moves GROUP BY day, user_id, currency
        ON CONFLICT (day, user_id, currency) DO UPDATE
       SET bookings = t.bookings + excluded.bookings, seats = t.seats + excluded.seats,
           gross = t.gross + excluded.gross,
           cancelled_bookings = t.cancelled_bookings + excluded.cancelled_bookings,
           cancelled_seats = t.cancelled_seats + excluded.cancelled_seats,
           cancelled = t.cancelled + excluded.cancelled
), customers AS (
    INSERT INTO report_customers AS t
    SELECT user_id, currency, min(day), sum(bookings), sum(seats), sum(gross), sum(cancelled_bookings),
           sum(cancelled_seats), sum(cancelled)
      FROM moves GROUP BY user_id, currency
        ON CONFLICT (user_id, currency) DO UPDATE
       SET first_day = least(t.first_day, excluded.first_day),
           bookings = t.bookings + excluded.bookings, seats = t.seats + excluded.seats,
           gross = t.gross + excluded.gross,
           cancelled_bookings = t.cancelled_bookings + excluded.cancelled_bookings,
           cancelled_seats = t.cancelled_seats + excluded.cancelled_seats,
           cancelled = t.cancelled + excluded.cancelled
)
SELECT coalesce(max(decided), 0) FROM (SELECT count(*) AS decided FROM batch GROUP BY partition) counted
"""


class ReportFigures:
    """Aggregates figures. `pool` is used by reports only, so that bookings never wait for its connections."""

    def __init__(self, pool: asyncpg.Pool, zones: Zones) -> None:
        self._pool = pool
        self._zones = zones

    @retry_outdated_plans
    async def aggregate(self) -> bool:
        """Aggregates one batch. Returns whether there may be more."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_SQL)
            largest = await connection.fetchval(
                _AGGREGATE_SQL, _BATCH, self._zones.known, self._zones.default
            )
        return bool(largest >= _BATCH)

    async def catch_up(self) -> None:
        """Aggregates until almost nothing is left. Raises Problem `not_ready` when that takes too long."""
        deadline = time.monotonic() + _CATCH_UP_TIMEOUT_S
        while await self.aggregate():
            if time.monotonic() > deadline:
                raise Problem(
                    "not_ready",
                    "The figures of many bookings are being added up: try again in a few seconds.",
                    retry_after_s=5,
                )

    async def run(self) -> None:
        """Aggregates until it is cancelled, in small batches with pauses."""
        outage = OutageLog("report figures")
        while True:
            began = time.monotonic()
            more = False
            try:
                more = await self.aggregate()
            except DATABASE_ERRORS as error:
                outage.failed(error)
            else:
                outage.succeeded()
            pause_s = _PAUSE_FACTOR * (time.monotonic() - began)
            await asyncio.sleep(pause_s if more else max(pause_s, _EVERY_S))
