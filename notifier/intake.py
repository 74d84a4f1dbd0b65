"""Intake of deliveries: from the events of the log, and from the e-mails that gateways request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import asyncpg
import msgspec
import structlog

from notifier.deliveries import CONSUMER, Deliveries, NewDelivery
from notifier.event_emails import deliveries_of
from notifier.pace import Pace
from notifier.reminders import Reminders, changes_of
from runtime.event_consumer import MAX_RECORDS, EventConsumer
from runtime.log import Log, Record
from runtime.polling import OutageLog
from runtime.postgres import DATABASE_ERRORS
from schemas.events import PublishedEvent
from schemas.trace_context import trace_of, with_trace
from schemas.wire import decode_published_event

REQUESTED_EVERY_S = 1.0
"""Interval at which requested e-mails are polled."""

_log = structlog.get_logger()


class EventIntake(EventConsumer):
    """Consumes events and records a delivery for each e-mail that they call for."""

    def __init__(
        self,
        log: Log,
        deliveries: Deliveries,
        wake: Callable[[], None],
        pace: Pace,
        reminders: Reminders,
    ) -> None:
        super().__init__(log, CONSUMER)
        self._pace = pace
        self._deliveries = deliveries
        self._reminders = reminders
        self._wake = wake
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises WrongLog."""
        self._stop = stop
        await super().run(stop)

    async def stored_offsets(self, partitions: Sequence[int]) -> Mapping[int, int]:
        return await self._deliveries.offsets(partitions)

    async def record(self, records: Mapping[int, list[Record]], next_offsets: Mapping[int, int]) -> None:
        async with self._pace.paced(self._stop):
            await self._record(records, next_offsets)

    async def _record(self, records: Mapping[int, list[Record]], next_offsets: Mapping[int, int]) -> None:
        events = []
        new: list[NewDelivery] = []
        for batch in records.values():
            for record in batch:
                if (event := _read(record)) is not None:
                    events.append(event)
                    new += _deliveries_of(event, record)
        changes = changes_of(events)

        async def remind(connection: asyncpg.Connection) -> None:
            await self._reminders.record(connection, changes)

        await self._deliveries.record(new, next_offsets, also=remind if changes else None)
        if new:
            self._wake()


def _read(record: Record) -> PublishedEvent | None:
    try:
        return decode_published_event(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.error(
            "unreadable_event_skipped",
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        return None


def _deliveries_of(event: PublishedEvent, record: Record) -> list[NewDelivery]:
    deliveries = deliveries_of(event)
    if not deliveries or (trace := trace_of(record.body)) is None:
        return deliveries
    return [
        msgspec.structs.replace(delivery, payload=with_trace(delivery.payload, trace))
        for delivery in deliveries
    ]


class RequestedIntake:
    """Turns the e-mails that gateways have requested (table `letters_wanted`) into deliveries."""

    def __init__(self, deliveries: Deliveries, wake: Callable[[], None]) -> None:
        self._deliveries = deliveries
        self._wake = wake

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        outage = OutageLog("requested e-mails")
        while not stop.is_set():
            try:
                while await self._deliveries.take_requested(MAX_RECORDS):
                    self._wake()
            except DATABASE_ERRORS as error:
                outage.failed(error)
            else:
                outage.succeeded()
            try:
                async with asyncio.timeout(REQUESTED_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                pass
