"""Look-up of decisions in PostgreSQL, for requests whose reply has not arrived over Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import structlog

from gateway.commands.pending import PendingRequest, PendingRequests
from gateway.commands.replies import SeatChangeListener
from runtime.postgres import UNAVAILABLE
from schemas.ids import Position

_CHECK_EVERY_S = 0.05
_MAX_LOOK_UPS = 2_000
"""Decisions looked up in one query."""

_DECISIONS_SQL = """
    SELECT d.partition, d.log_offset, d.answer
      FROM unnest($1::int[], $2::bigint[]) w (partition, log_offset)
      JOIN decisions d USING (partition, log_offset)"""

_log = structlog.get_logger()


class DecisionLookup:
    """Times out pending requests, and looks up decisions that are overdue."""

    def __init__(
        self, pool: Any, pending: PendingRequests, seat_changes: SeatChangeListener | None = None
    ) -> None:
        self._pool = pool
        self._pending = pending
        self._seat_changes = seat_changes

    async def run(self) -> None:
        """Checks the pending requests every 50 ms, until cancelled."""
        query: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.sleep(_CHECK_EVERY_S)
                if query is not None and query.done():
                    query.result()
                    query = None
                due = self._pending.check_timeouts()
                # In a task of its own: a database that does not answer must not delay time-outs.
                if due and query is None:
                    query = asyncio.create_task(self._look_up(due), name="decision look-up")
        finally:
            if query is not None:
                query.cancel()
                await asyncio.gather(query, return_exceptions=True)

    async def _look_up(self, due: list[PendingRequest]) -> None:
        due = due[:_MAX_LOOK_UPS]  # the others with the next query
        try:
            await self._query(due)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            _log.warning("decision_lookup_failed", error=str(error))
        now = asyncio.get_running_loop().time()
        for request in due:
            request.looked_up_at(now)

    async def _query(self, due: list[PendingRequest]) -> None:
        by_position: dict[Position, list[int]] = {}
        for request in due:
            assert request.position is not None
            by_position.setdefault(request.position, []).append(request.number)
        rows = await self._pool.fetch(
            _DECISIONS_SQL, [p.partition for p in by_position], [p.offset for p in by_position]
        )
        if rows and self._seat_changes is not None:
            self._seat_changes.invalidate()
        for partition, offset, answer in rows:
            position = Position(partition, offset)
            for number in by_position[position]:
                self._pending.looked_up += self._pending.resolve(number, position, answer)
