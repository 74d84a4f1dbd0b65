"""Health probes: liveness of the process, and readiness to take bookings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from gateway.http.problems import Problem
from gateway.openapi.annotations import problem_responses
from runtime.log import Log, LogUnavailable, WrongLog
from runtime.postgres import UNAVAILABLE
from schemas.wire import COMMANDS_TOPIC

_CACHED_S = 0.5
"""Seconds for which a readiness check is reused."""
_TIMEOUT_S = 2.0
"""Timeout of each query of a readiness check."""
_OPENING_GRACE_S = 30.0
"""Seconds for which a new show may be unopened without making a gateway unready."""
_STUCK_AFTER_S = 10.0
"""Seconds without a decision after which a partition with undecided commands counts as stuck."""
_NEW_PARTITION_GRACE_S = 10.0
"""Seconds for which an added partition may be without a seat worker; until one has it, it gets no shows."""

_OPENING_SQL = """
SELECT count(*) FROM shows s
 WHERE s.starts_at > now() AND s.created_at < now() - make_interval(secs => $1)
   AND NOT EXISTS (SELECT 1 FROM show_states st WHERE st.show_id = s.show_id)
"""
_NEXT_SQL = "SELECT partition, epoch, next_offset FROM partitions"


class Ready(msgspec.Struct, frozen=True):
    """Bookings can be made."""

    ready: bool = True


class Alive(msgspec.Struct, frozen=True):
    """The process is alive."""

    alive: bool = True


class Health:
    """Checks the database, the log and the seat workers."""

    def __init__(self, pool: asyncpg.Pool, log: Log) -> None:
        self._pool = pool
        self._log = log
        self._was_ready = False
        self._checked_at = float("-inf")
        self._last: Sequence[str] = ()
        self._behind: dict[int, tuple[int, float]] = {}
        self._unassigned: dict[int, float] = {}
        self._checking = asyncio.Lock()

    async def missing(self) -> Sequence[str]:
        """The missing prerequisites of bookings, as of at most half a second ago."""
        async with self._checking:
            if time.monotonic() - self._checked_at > _CACHED_S:
                self._last = await self._check()
                self._was_ready = self._was_ready or not self._last
                self._checked_at = time.monotonic()
            return self._last

    async def _check(self) -> list[str]:
        try:
            # Before the first success every unopened show counts; afterwards new shows are routine.
            grace_s = _OPENING_GRACE_S if self._was_ready else 0.0
            async with asyncio.timeout(_TIMEOUT_S):
                opening = await self._pool.fetchval(_OPENING_SQL, grace_s)
                rows = await self._pool.fetch(_NEXT_SQL)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            return [f"the database: {_reason(error)}"]
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                bounds = await self._log.bounds(COMMANDS_TOPIC)
        except (OSError, TimeoutError, LogUnavailable, WrongLog) as error:
            return [f"the log: {_reason(error)}"]
        next_offsets = {row["partition"]: row["next_offset"] for row in rows if row["epoch"] > 0}
        missing = []
        if unassigned := self._never_assigned(set(bounds) - set(next_offsets)):
            missing.append(f"a seat worker for the partitions {', '.join(map(str, unassigned))}")
        if stuck := self._stuck({partition: end for partition, (_, end) in bounds.items()}, next_offsets):
            missing.append(
                f"decisions of the seat worker of the partitions {', '.join(map(str, stuck))}:"
                f" none for {_STUCK_AFTER_S:.0f} s; it is stopped, or Kafka or the database does not answer it"
            )
        if opening:
            missing.append(f"the opening of {opening} shows")
        return missing

    def _never_assigned(self, partitions: set[int]) -> list[int]:
        """Those partitions without a seat worker that make a gateway unready: added ones after a while."""
        now_s = time.monotonic()
        self._unassigned = {partition: self._unassigned.get(partition, now_s) for partition in partitions}
        grace_s = _NEW_PARTITION_GRACE_S if self._was_ready else 0.0
        return sorted(
            partition for partition, since_s in self._unassigned.items() if now_s - since_s >= grace_s
        )

    def _stuck(self, ends: dict[int, int], next_offsets: dict[int, int]) -> list[int]:
        """Partitions with undecided commands and no decision for _STUCK_AFTER_S."""
        now_s = time.monotonic()
        behind = {}
        for partition, next_offset in next_offsets.items():
            if next_offset < ends.get(partition, 0):
                seen = self._behind.get(partition)
                behind[partition] = seen if seen and seen[0] == next_offset else (next_offset, now_s)
        self._behind = behind
        return sorted(
            partition for partition, (_, since_s) in behind.items() if now_s - since_s > _STUCK_AFTER_S
        )


@get("/live", operation_id="GetLiveness")
async def live() -> Alive:
    """The process is alive."""
    return Alive()


@get("/ready", operation_id="GetReadiness", responses=problem_responses("not_ready"))
async def ready(health: NamedDependency[Health]) -> Response[Ready]:
    """200 once bookings can be made, else 503 naming what is missing."""
    missing = await health.missing()
    if missing:
        raise Problem(
            "not_ready", f"Wait for {'; '.join(missing)}.", retry_after_s=1, extra={"missing": list(missing)}
        )
    return Response(Ready(), headers={"Cache-Control": "no-store"})


def health_routes() -> Router:
    """Both probes."""
    handlers: list[Any] = [live, ready]
    return Router("/health", route_handlers=handlers, tags=["Probes"])


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT_S:.0f} s"
    return str(error) or type(error).__name__
