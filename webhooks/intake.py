"""Intake of events: each becomes a delivery for every webhook that wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from runtime.event_consumer import EventConsumer
from runtime.log import Log, Record
from schemas.events import PublishedEvent
from schemas.wire import decode_published_event
from webhooks.bodies import Message, changed_show, messages_of, takes_seats
from webhooks.recording import CONSUMER, Recording

_log = structlog.get_logger()


class WebhookIntake(EventConsumer):
    """Consumes events with offsets of its own, like the intake of e-mails."""

    def __init__(self, log: Log, recording: Recording, wake: Callable[[], None]) -> None:
        super().__init__(log, CONSUMER)
        self._recording = recording
        self._wake = wake

    async def stored_offsets(self, partitions: Sequence[int]) -> Mapping[int, int]:
        return await self._recording.offsets(partitions)

    async def record(self, records: Mapping[int, list[Record]], next_offsets: Mapping[int, int]) -> None:
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
