"""Where letters come from: the events of the log, and what the gateways want sent about accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from notifier import letters
from notifier.deliveries import CONSUMER, DATABASE_ERRORS, Deliveries, NewDelivery
from notifier.pace import Pace
from runtime.log import Log, LogUnavailable, Record
from schemas.events import BookingCancelled, BookingConfirmed, PublishedEvent
from schemas.wire import EVENTS_TOPIC, decode_published_event, encode

MAX_RECORDS = 200
"""Of one partition at a time."""
WANTED_EVERY_S = 1.0
_POLL_S = 0.3
"""How soon a stop is heard while nothing happens."""
_RETRY_S = 1.0

_log = structlog.get_logger()


def delivery_of(published: PublishedEvent) -> NewDelivery | None:
    """The letter that an event calls for, if any."""
    match published.event:
        case BookingConfirmed(booking=booking):
            kind = letters.BOOKING_CONFIRMED
        case BookingCancelled(booking=booking):
            kind = letters.BOOKING_CANCELLED
        case _:
            return None
    if not booking.user_id:
        return None
    return NewDelivery(published.event_id, kind, booking.user_id, booking.booking_id, encode(published.event))


class EventIntake:
    """Reads the events of the partitions that are ours and records a delivery for each letter.

    Offsets are those in the database, moved in the transaction that records the letters. Several notifiers
    share the partitions; one that has lost a partition and does not know it yet records nothing twice.
    """

    def __init__(self, log: Log, deliveries: Deliveries, wake: Callable[[], None], pace: Pace) -> None:
        self._log = log
        self._pace = pace
        self._deliveries = deliveries
        self._wake = wake

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Where to read on: where the last reader stopped, or at the start of the log."""
        known = await self._deliveries.offsets(partitions)
        if len(known) == len(partitions):
            return known
        bounds = await self._log.bounds(EVENTS_TOPIC)
        return {partition: known.get(partition, bounds[partition][0]) for partition in partitions}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Nothing is kept between two polls."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises WrongLog."""
        reader = self._log.reader(EVENTS_TOPIC, CONSUMER, self)
        try:
            while not stop.is_set():
                records: Mapping[int, list[Record]] = {}
                try:
                    records = await reader.poll(max_records=MAX_RECORDS, wait_s=_POLL_S)
                    async with self._pace.working(stop):
                        await self._record(records)
                except (LogUnavailable, *DATABASE_ERRORS) as error:
                    _log.warning("events cannot be read or recorded", error=repr(error), retry_s=_RETRY_S)
                    for partition, given in records.items():
                        reader.seek(partition, given[0].offset)
                    await asyncio.sleep(_RETRY_S)
        finally:
            await reader.close()

    async def _record(self, records: Mapping[int, list[Record]]) -> None:
        next_offsets = {partition: given[-1].offset + 1 for partition, given in records.items() if given}
        if not next_offsets:
            return
        new = [delivery for given in records.values() for record in given if (delivery := _read(record))]
        await self._deliveries.record(new, next_offsets)
        if new:
            self._wake()


def _read(record: Record) -> NewDelivery | None:
    try:
        return delivery_of(decode_published_event(record.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.error(
            "an event that cannot be read is passed over: no letter comes of it",
            partition=record.partition,
            offset=record.offset,
            error=str(error),
        )
        return None


class WantedIntake:
    """Makes deliveries of the letters that gateways have put into `letters_wanted`."""

    def __init__(self, deliveries: Deliveries, wake: Callable[[], None]) -> None:
        self._deliveries = deliveries
        self._wake = wake

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            try:
                while await self._deliveries.take_wanted(MAX_RECORDS):
                    self._wake()
            except DATABASE_ERRORS as error:
                _log.warning("wanted letters cannot be read", error=repr(error), retry_s=WANTED_EVERY_S)
            try:
                async with asyncio.timeout(WANTED_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                pass
