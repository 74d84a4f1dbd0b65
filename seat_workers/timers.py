"""What happens to a show without anybody asking: holds run out, a cancelled show's bookings are cancelled.

Both are commands like any other, in log order, only that the worker appends them. A hold is due by the
worker's clock and runs out by the log's: when log time says that it came too early, it is asked again. An
append that fails is tried again later; a worker that dies is followed by one that finds the same in
PostgreSQL.
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

_ASK_AGAIN_MS = 1_000
_LONGEST_PAUSE_MS = 4_000
_LOOK_EVERY_S = 0.1


class _Due(msgspec.Struct):
    """What a show waits for, and when to ask for it (again)."""

    due_ms: int
    cancel: bool
    ask_ms: int
    pause_ms: int = _ASK_AGAIN_MS


class Timers:
    """The shows of this worker for which something is to be asked sooner or later.

    `clock_ms`: the worker's clock, Unix milliseconds. `new_id`: a fresh command id, given the time.
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
        self._due: dict[tuple[int, int], _Due] = {}

    async def find(self, partitions: Collection[int]) -> None:
        """Learns from PostgreSQL what is unfinished on partitions that were just taken."""
        held, cancelled = await self._ledger.pending_timers(sorted(partitions))
        for partition, show_id, due_ms in held:
            self._due[partition, show_id] = _Due(due_ms, False, due_ms)
        for partition, show_id in cancelled:
            self._due[partition, show_id] = _Due(0, True, 0)

    def drop(self, partitions: Collection[int]) -> None:
        """These partitions are somebody else's affair."""
        for key in [key for key in self._due if key[0] in partitions]:
            del self._due[key]

    def note(self, partition: int, show: Show) -> None:
        """A show as the latest batch leaves it."""
        key = partition, show.show_id
        cancel = show.status is ShowStatus.CANCELLED and bool(show.bookings)
        due_ms = 0 if cancel else show.next_expiry_ms()
        if due_ms is None:
            self._due.pop(key, None)
            return
        known = self._due.get(key)
        if cancel or known is None or (known.due_ms, known.cancel) != (due_ms, cancel):
            self._due[key] = _Due(due_ms, cancel, due_ms)

    async def run(self) -> None:
        """Appends what is due, as it comes due, for ever."""
        while True:
            await self.ask()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def ask(self) -> None:
        """Appends what is due now."""
        now_ms = self._clock_ms()
        due = [(key, one) for key, one in self._due.items() if one.ask_ms <= now_ms]
        if not due:
            return
        for _, one in due:
            one.ask_ms = now_ms + one.pause_ms
            one.pause_ms = min(2 * one.pause_ms, _LONGEST_PAUSE_MS)
        try:
            await self._appender.append_many(self._records(due, now_ms))
        except LogUnavailable as error:
            log.warning("what is due will be asked for later", shows=len(due), error=str(error))

    def _records(self, due: Iterable[tuple[tuple[int, int], _Due]], now_ms: int) -> list[tuple[int, bytes]]:
        records = []
        for (partition, show_id), one in due:
            kind = CancelShow if one.cancel else ExpireHolds
            command: Command = kind(command_id=self._new_id(now_ms), show_id=show_id, staff=True)
            records.append((partition, encode(command)))
        return records
