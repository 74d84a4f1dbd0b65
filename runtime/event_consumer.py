"""A consumer of the events topic that keeps its offsets in the database."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import structlog

from runtime.log import Log, LogUnavailable, Record
from runtime.postgres import DATABASE_ERRORS
from schemas.wire import EVENTS_TOPIC

MAX_RECORDS = 200
"""Records of one partition in one poll."""
_POLL_S = 0.3
"""Upper bound in seconds of the reaction to a stop while no event arrives."""
_RETRY_S = 1.0

_log = structlog.get_logger()


class EventConsumer(ABC):
    """Consumes the events of the assigned partitions.

    Offsets move in the transaction that records what was made of the events. Several processes of a consumer share the
    partitions; one that has lost a partition and does not know it yet records nothing twice.
    """

    def __init__(self, log: Log, consumer: str) -> None:
        self._log = log
        self._consumer = consumer

    @abstractmethod
    async def stored_offsets(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """The next offset of each of these partitions that this consumer has read from."""

    @abstractmethod
    async def record(self, records: Mapping[int, list[Record]], next_offsets: Mapping[int, int]) -> None:
        """Records what is made of new events, at least one, and their next offsets, in one transaction."""

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """The offsets to continue from: those stored, or the start of the log."""
        known = await self.stored_offsets(partitions)
        if len(known) == len(partitions):
            return known
        bounds = await self._log.bounds(EVENTS_TOPIC)
        return {partition: known.get(partition, bounds.get(partition, (0, 0))[0]) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:  # noqa: B027 (nothing to override)
        """Does nothing: no state is kept between two polls."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises WrongLog."""
        reader = self._log.reader(EVENTS_TOPIC, self._consumer, self)
        try:
            while not stop.is_set():
                records: Mapping[int, list[Record]] = {}
                try:
                    records = await reader.poll(max_records=MAX_RECORDS, wait_s=_POLL_S)
                    if next_offsets := {
                        partition: batch[-1].offset + 1 for partition, batch in records.items() if batch
                    }:
                        await self.record(records, next_offsets)
                except (LogUnavailable, *DATABASE_ERRORS) as error:
                    _log.warning(
                        "event_intake_failed", consumer=self._consumer, error=repr(error), retry_s=_RETRY_S
                    )
                    for partition, batch in records.items():
                        reader.seek(partition, batch[0].offset)
                    await asyncio.sleep(_RETRY_S)
        finally:
            await reader.close()
