"""The figures that reports are made of: gathered from decisions, a portion at a time, behind the writers' backs.

Before a report is read, what was decided since is gathered too, so that it is right up to now. Gathering in
between keeps that little. It costs the writers no index and no wait, and of the processor a bounded share: the
longer a portion takes, the longer the pause.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog

from gateway.catalogue.zones import Zones, local_day
from gateway.problems import Problem
from runtime.postgres import AWAY

_PORTION = 1_000
"""Decisions of each partition that are gathered at once."""
_EVERY_S = 5.0
_REST = 24.0
"""Pause for so many times as long as a portion took: a twenty-fifth of one core, no more."""
_PATIENCE_S = 8.0

# One gatherer at a time. The next statement sees what the one before has gathered.
_LOCK_SQL = "LOCK TABLE report_progress IN SHARE ROW EXCLUSIVE MODE"
# The day that `report_moves` gives is not used: it fails over a zone that the database does not know. The planner puts
# the function into the statement, so that what is not used of it is not worked out.
_DAY = local_day("to_timestamp(d.at_ms / 1000.0)", "coalesce(s.timezone, 'UTC')", "$2", "$3")
_GATHER_SQL = f"""
WITH portion AS MATERIALIZED (
    SELECT p.partition, d.*
      FROM partitions p LEFT JOIN report_progress r USING (partition)
     CROSS JOIN LATERAL (SELECT log_offset, at_ms, command, answer FROM decisions d
                          WHERE d.partition = p.partition AND d.log_offset >= coalesce(r.next_offset, 0)
                          ORDER BY d.log_offset LIMIT $1) d
), moves AS MATERIALIZED (
    SELECT m.show_id, {_DAY} AS day, m.user_id, m.currency, m.bookings, m.seats, m.gross,
           m.cancelled_bookings, m.cancelled_seats, m.cancelled, m.cancelled_by_staff, m.cancelled_by_show
      FROM portion d CROSS JOIN LATERAL report_moves_v1(d.at_ms, d.command, d.answer) m
      LEFT JOIN shows s ON s.show_id = m.show_id
), progress AS (
    INSERT INTO report_progress SELECT partition, max(log_offset) + 1 FROM portion GROUP BY partition
        ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset
), holds AS (
    INSERT INTO report_holds AS t
    SELECT m.show_id, m.user_id, sum(m.holds), sum(m.confirmed), sum(m.released), sum(m.expired)
      FROM portion d CROSS JOIN LATERAL report_hold_moves_v1(d.command, d.answer) m GROUP BY m.show_id, m.user_id
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
SELECT coalesce(max(decided), 0) FROM (SELECT count(*) AS decided FROM portion GROUP BY partition) counted
"""

_log = structlog.get_logger()


class ReportFigures:
    """Gathers figures. `pool` is the reports' own, so that bookings never wait for a connection of it."""

    def __init__(self, pool: asyncpg.Pool, zones: Zones) -> None:
        self._pool = pool
        self._zones = zones

    async def gather(self) -> bool:
        """Gathers one portion; says whether there may be more."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_SQL)
            most = await connection.fetchval(_GATHER_SQL, _PORTION, self._zones.known, self._zones.house)
        return bool(most >= _PORTION)

    async def catch_up(self) -> None:
        """Gathers until next to nothing is left. Raises Problem `not_ready` when that takes too long."""
        deadline = time.monotonic() + _PATIENCE_S
        while await self.gather():
            if time.monotonic() > deadline:
                raise Problem(
                    "not_ready",
                    "Figures of many bookings are being gathered: ask again in a few seconds.",
                    retry_after_s=5,
                )

    async def keep_gathering(self) -> None:
        """Gathers for ever, in small portions with pauses."""
        while True:
            began = time.monotonic()
            more = False
            try:
                more = await self.gather()
            except (asyncpg.PostgresError, *AWAY) as error:
                _log.warning("figures for reports wait", error=str(error) or type(error).__name__)
            pause_s = _REST * (time.monotonic() - began)
            await asyncio.sleep(pause_s if more else max(pause_s, _EVERY_S))
