"""Timers: holds expire, and a cancelled show's bookings are cancelled, without a client's request.

A timer only appends a command to the log, where it is decided in order like any other. A hold is due by the worker's
clock and expires by log time: a command that comes too early changes nothing, and the timer fires again. An append
that fails is retried. After a crash, the partitions' next worker loads the same timers from PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from uuid import UUID

import msgspec
import structlog

from runtime.log import Appender, LogUnavailable
from schemas.commands import CancelShow, Command, ExpireHolds
from schemas.events import ShowStatus
from schemas.wire import encode
from seat_workers.ledger import Ledger
from seat_workers.show_state import Show

log = structlog.get_logger()

_FIRST_RETRY_MS = 1_000
_MAX_RETRY_MS = 4_000
_POLL_INTERVAL_S = 0.1


class _Timer(msgspec.Struct):
    """The timer of one show. Times in Unix milliseconds."""

    due_ms: int
    cancel: bool
    """Whether it cancels bookings of a cancelled show; otherwise it expires holds."""
    next_append_ms: int
    retry_ms: int = _FIRST_RETRY_MS


class Timers:
    """The timers of the shows on this worker's partitions, at most one a show.

    `clock_ms`: the worker's clock, Unix milliseconds. `new_id`: makes a command id, given the time.
    """

    def __init__(
        self,
        ledger: Ledger,
        appender: Appender,
        clock_ms: Callable[[], int],
        new_id: Callable[[int], UUID],
    ) -> None:
        self._ledger = ledger
        self._appender = appender
        self._clock_ms = clock_ms
        self._new_id = new_id
        self._timers: dict[tuple[int, int], _Timer] = {}

    async def load(self, partitions: Collection[int]) -> None:
        """Sets the timers of partitions that were just taken, from what PostgreSQL has."""
        held, cancelled = await self._ledger.pending_timers(sorted(partitions))
        for partition, show_id, due_ms in held:
            self._timers[partition, show_id] = _Timer(due_ms, False, due_ms)
        for partition, show_id in cancelled:
            self._timers[partition, show_id] = _Timer(0, True, 0)

    def drop(self, partitions: Collection[int]) -> None:
        """Removes the timers of partitions that were revoked."""
        for key in [key for key in self._timers if key[0] in partitions]:
            del self._timers[key]

    def update(self, partition: int, show: Show) -> None:
        """Sets or removes the timer of a show, as the latest batch leaves it."""
        key = partition, show.show_id
        cancel = show.status is ShowStatus.CANCELLED and bool(show.bookings)
        due_ms = 0 if cancel else show.next_expiry_ms()
        if due_ms is None:
            self._timers.pop(key, None)
            return
        known = self._timers.get(key)
        if cancel or known is None or (known.due_ms, known.cancel) != (due_ms, cancel):
            self._timers[key] = _Timer(due_ms, cancel, due_ms)

    async def run(self) -> None:
        """Appends commands as they come due, until it is cancelled."""
        while True:
            await self.append_due()
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def append_due(self) -> None:
        """Appends the commands that are due now."""
        now_ms = self._clock_ms()
        due = [(key, timer) for key, timer in self._timers.items() if timer.next_append_ms <= now_ms]
        if not due:
            return
        for _, timer in due:
            timer.next_append_ms = now_ms + timer.retry_ms
            timer.retry_ms = min(2 * timer.retry_ms, _MAX_RETRY_MS)
        try:
            await self._appender.append_many(self._records(due, now_ms))
        except LogUnavailable as error:
            log.warning("timers_append_failed", shows=len(due), error=str(error))

    def _records(self, due: Iterable[tuple[tuple[int, int], _Timer]], now_ms: int) -> list[tuple[int, bytes]]:
        records = []
        for (partition, show_id), timer in due:
            kind = CancelShow if timer.cancel else ExpireHolds
            command: Command = kind(command_id=self._new_id(now_ms), show_id=show_id, staff=True)
            records.append((partition, encode(command)))
        return records
