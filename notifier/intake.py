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
from runtime.log import Log, LogUnavailable, Record
from runtime.polling import OutageLog
from runtime.postgres import DATABASE_ERRORS
from schemas.events import PublishedEvent
from schemas.trace_context import trace_of, with_trace
from schemas.wire import EVENTS_TOPIC, decode_published_event

MAX_RECORDS = 200
"""Records of one partition in one poll."""
REQUESTED_EVERY_S = 1.0
"""Interval at which requested e-mails are polled."""
_POLL_S = 0.3
"""Upper bound in seconds of the reaction to a stop while no event arrives."""
_RETRY_S = 1.0

_log = structlog.get_logger()


class EventIntake:
    """Consumes the events of the assigned partitions and records a delivery for each e-mail.

    The consumer offsets are stored in the database and move in the transaction that records the deliveries. Several
    notifiers share the partitions; one that has lost a partition and does not know it yet records nothing twice.
    """

    def __init__(
        self,
        log: Log,
        deliveries: Deliveries,
        wake: Callable[[], None],
        pace: Pace,
        reminders: Reminders,
    ) -> None:
        self._log = log
        self._pace = pace
        self._deliveries = deliveries
        self._reminders = reminders
        self._wake = wake

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """The offsets to continue from: those stored, or the start of the log."""
        known = await self._deliveries.offsets(partitions)
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
                    async with self._pace.paced(stop):
                        await self._record(records)
                except (LogUnavailable, *DATABASE_ERRORS) as error:
                    _log.warning("event_intake_failed", error=repr(error), retry_s=_RETRY_S)
                    for partition, batch in records.items():
                        reader.seek(partition, batch[0].offset)
                    await asyncio.sleep(_RETRY_S)
        finally:
            await reader.close()

    async def _record(self, records: Mapping[int, list[Record]]) -> None:
        next_offsets = {partition: batch[-1].offset + 1 for partition, batch in records.items() if batch}
        if not next_offsets:
            return
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
