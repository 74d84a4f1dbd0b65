"""The event stream: every event once and in order; without readers nothing is read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from unittest import mock
from uuid import UUID

import pytest

from gateway.live.event_stream import EventStream, StreamEvent
from runtime.log import LogUnavailable
from runtime.log.in_memory import MemoryLog
from schemas.events import (
    Booking,
    BookingChanged,
    BookingConfirmed,
    BookingStatus,
    Event,
    HoldExtended,
    PublishedEvent,
    SeatsBlocked,
    SeatsSwapped,
)
from schemas.wire import EVENTS_TOPIC, decode_published_event, encode


def confirmed(user_id: int, show_id: int = 3) -> BookingConfirmed:
    booking = Booking(UUID(int=1), show_id, user_id, BookingStatus.CONFIRMED, ("1",), 100, "EUR", 0)
    return BookingConfirmed(booking)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


class Fixture:
    """A log with two partitions, and the events that a stream has sent."""

    def __init__(self) -> None:
        self.log = MemoryLog(lambda: 0)
        self.stream = EventStream(self.log)
        self.received: list[StreamEvent] = []
        self.stream.subscribe(self.received.append)

    def publish(self, event_id: str, event: Event | None = None) -> None:
        body = encode(PublishedEvent(event_id, 0, event or confirmed(7)))
        self.log.put(EVENTS_TOPIC, int(event_id[0]), body)

    async def ids(self, count: int) -> list[str]:
        """Returns the ids of the events sent, once there are at least `count`."""
        await until(lambda: len(self.received) >= count)
        return [decode_published_event(event.body).event_id for event in self.received]


@pytest.fixture
async def fixture() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    await fixture.log.create(2)
    running = asyncio.create_task(fixture.stream.run())
    yield fixture
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_reader_gets_every_event_published_after_it_began(fixture: Fixture) -> None:
    fixture.publish("0-1-0")
    async with fixture.stream.reading():
        fixture.publish("0-2-0")
        fixture.publish("0-2-1", SeatsBlocked(5, ("1",)))
        assert await fixture.ids(2) == ["0-2-0", "0-2-1"]
        assert [(event.show_id, event.user_ids) for event in fixture.received] == [(3, (7,)), (5, ())]
        fixture.publish("1-9-0")
        assert await fixture.ids(3) == ["0-2-0", "0-2-1", "1-9-0"]


async def test_a_swap_concerns_both_owners_and_a_walk_in_nobody(fixture: Fixture) -> None:
    ada, bob, nobody = (confirmed(user_id).booking for user_id in (7, 8, 0))
    async with fixture.stream.reading():
        published: list[Event] = [
            SeatsSwapped(ada, bob),
            SeatsSwapped(nobody, bob),
            SeatsSwapped(ada, ada),
            SeatsSwapped(nobody, nobody),
            BookingChanged(ada, ("2",), 100),
            HoldExtended(nobody),
        ]
        for n, event in enumerate(published):
            fixture.publish(f"0-{n}-0", event)
        await fixture.ids(6)
        assert [event.user_ids for event in fixture.received] == [(7, 8), (8,), (7,), (), (7,), ()]
        assert {event.show_id for event in fixture.received} == {3}


async def test_republished_events_are_sent_once(fixture: Fixture) -> None:
    async with fixture.stream.reading():
        for event_id in ("0-1-0", "0-1-1", "0-2-0", "0-1-0", "0-1-1", "0-2-0", "0-10-0"):
            fixture.publish(event_id)
        assert await fixture.ids(4) == ["0-1-0", "0-1-1", "0-2-0", "0-10-0"]


async def test_invalid_records_are_skipped(fixture: Fixture) -> None:
    async with fixture.stream.reading():
        fixture.log.put(EVENTS_TOPIC, 0, b"{")
        fixture.log.put(EVENTS_TOPIC, 0, b'{"event_id":"nonsense","at_ms":0,"event":{"type":"Unevent"}}')
        fixture.log.put(
            EVENTS_TOPIC, 0, b'{"event_id":"0-1-0","at_ms":0,"event":{"type":"Unevent","show_id":4}}'
        )
        fixture.publish("0-2-0")
        await until(lambda: len(fixture.received) >= 2)
        assert [event.show_id for event in fixture.received] == [4, 3], (
            "events of unknown types are sent, too"
        )


async def test_without_readers_nothing_is_read_or_sent_later(fixture: Fixture) -> None:
    with (
        mock.patch("gateway.live.event_stream._LINGER_S", 0.0),
        mock.patch.object(fixture.log, "reader", wraps=fixture.log.reader) as reader,
    ):
        await asyncio.sleep(0)
        assert not reader.called
        async with fixture.stream.reading():
            fixture.publish("0-1-0")
            await fixture.ids(1)
        await until(lambda: not fixture.stream._next)
        fixture.publish("0-2-0")
        async with fixture.stream.reading():
            fixture.publish("0-3-0")
            assert await fixture.ids(2) == ["0-1-0", "0-3-0"]
        assert reader.call_count == 2


async def test_no_event_is_lost_while_the_log_is_unavailable(fixture: Fixture) -> None:
    with mock.patch("gateway.live.event_stream._RETRY_S", 0.001):
        async with fixture.stream.reading():
            fixture.publish("0-1-0")
            await fixture.ids(1)
            fixture.log.outage = LogUnavailable("away")
            fixture.publish("0-2-0")
            await asyncio.sleep(0.01)
            fixture.log.outage = None
            fixture.publish("0-3-0")
            assert await fixture.ids(3) == ["0-1-0", "0-2-0", "0-3-0"]


async def test_reading_fails_while_the_end_of_the_log_is_unknown(fixture: Fixture) -> None:
    away = LogUnavailable("away")
    with mock.patch.object(fixture.log, "bounds", side_effect=away), pytest.raises(LogUnavailable):
        async with fixture.stream.reading():
            pass
    async with fixture.stream.reading():
        fixture.publish("0-1-0")
        assert await fixture.ids(1) == ["0-1-0"]
