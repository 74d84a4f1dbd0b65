"""Intake of events: each becomes a delivery for every webhook that wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from runtime.log import Log, LogUnavailable, Record
from runtime.postgres import DATABASE_ERRORS
from schemas.events import PublishedEvent
from schemas.wire import EVENTS_TOPIC, decode_published_event
from webhooks.bodies import Message, changed_show, messages_of, takes_seats
from webhooks.recording import CONSUMER, Recording

MAX_RECORDS = 200
"""Records of one partition in one poll."""
_POLL_S = 0.3
"""Upper bound in seconds of the reaction to a stop while no event arrives."""
_RETRY_S = 1.0

_log = structlog.get_logger()


class WebhookIntake:
    """Consumes the events of the assigned partitions, with offsets of its own, like the intake of e-mails."""

    def __init__(self, log: Log, recording: Recording, wake: Callable[[], None]) -> None:
        self._log = log
        self._recording = recording
        self._wake = wake

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """The offsets to continue from: those stored, or the start of the log."""
        known = await self._recording.offsets(partitions)
        if len(known) == len(partitions):
            return known
        bounds = await self._log.bounds(EVENTS_TOPIC)
        return {partition: known.get(partition, bounds.get(partition, (0, 0))[0]) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Does nothing: no state is kept between two polls."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises WrongLog."""
        reader = self._log.reader(EVENTS_TOPIC, CONSUMER, self)
        try:
            while not stop.is_set():
                records: Mapping[int, list[Record]] = {}
                try:
                    records = await reader.poll(max_records=MAX_RECORDS, wait_s=_POLL_S)
                    await self._record(records)
                except (LogUnavailable, *DATABASE_ERRORS) as error:
                    _log.warning("webhook_intake_failed", error=repr(error), retry_s=_RETRY_S)
                    for partition, batch in records.items():
                        reader.seek(partition, batch[0].offset)
                    await asyncio.sleep(_RETRY_S)
        finally:
            await reader.close()

    async def _record(self, records: Mapping[int, list[Record]]) -> None:
        next_offsets = {partition: batch[-1].offset + 1 for partition, batch in records.items() if batch}
        if not next_offsets:
            return
        messages: list[Message] = []
        changed: set[int] = set()
        taking: dict[int, PublishedEvent] = {}
        for batch in records.values():
            for record in batch:
                read = _read(record)
                if read is None:
                    continue
                published, of_event = read
                messages += of_event
                if (show_id := changed_show(published)) is not None:
                    changed.add(show_id)
                if (show_id := takes_seats(published)) is not None:
                    taking[show_id] = published
        if await self._recording.record(messages, changed, taking, next_offsets):
            self._wake()


def _read(record: Record) -> tuple[PublishedEvent, list[Message]] | None:
    try:
        published = decode_published_event(record.body)
        return published, list(messages_of(published))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        _log.error(
            "unreadable_event_skipped",
            consumer=CONSUMER,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        return None
