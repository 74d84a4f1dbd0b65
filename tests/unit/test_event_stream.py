"""The events that live sockets are told: all, once, in order, and nothing is read for nobody."""

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
from schemas.events import Booking, BookingConfirmed, BookingStatus, Event, PublishedEvent, SeatsBlocked
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
    """A log with two partitions, and what a stream that reads it has told."""

    def __init__(self) -> None:
        self.log = MemoryLog(lambda: 0)
        self.stream = EventStream(self.log)
        self.told: list[StreamEvent] = []
        self.stream.subscribe(self.told.append)

    def publish(self, event_id: str, event: Event | None = None) -> None:
        body = encode(PublishedEvent(event_id, 0, event or confirmed(7)))
        self.log.put(EVENTS_TOPIC, int(event_id[0]), body)

    async def ids(self, count: int) -> list[str]:
        """The ids of what was told, once there are so many."""
        await until(lambda: len(self.told) >= count)
        return [decode_published_event(heard.body).event_id for heard in self.told]


@pytest.fixture
async def fixture() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    await fixture.log.create(2)
    running = asyncio.create_task(fixture.stream.run())
    yield fixture
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_all_that_is_published_after_a_follower_came_is_told(fixture: Fixture) -> None:
    fixture.publish("0-1-0")
    async with fixture.stream.reading():
        fixture.publish("0-2-0")
        fixture.publish("0-2-1", SeatsBlocked(5, ("1",)))
        assert await fixture.ids(2) == ["0-2-0", "0-2-1"]
        assert [(heard.show_id, heard.user_id) for heard in fixture.told] == [(3, 7), (5, None)]
        fixture.publish("1-9-0")
        assert await fixture.ids(3) == ["0-2-0", "0-2-1", "1-9-0"]


async def test_what_is_published_again_is_told_once(fixture: Fixture) -> None:
    async with fixture.stream.reading():
        for event_id in ("0-1-0", "0-1-1", "0-2-0", "0-1-0", "0-1-1", "0-2-0", "0-10-0"):
            fixture.publish(event_id)
        assert await fixture.ids(4) == ["0-1-0", "0-1-1", "0-2-0", "0-10-0"]


async def test_what_cannot_be_read_is_passed_over(fixture: Fixture) -> None:
    async with fixture.stream.reading():
        fixture.log.put(EVENTS_TOPIC, 0, b"{")
        fixture.log.put(EVENTS_TOPIC, 0, b'{"event_id":"nonsense","at_ms":0,"event":{"type":"Unheard"}}')
        fixture.log.put(
            EVENTS_TOPIC, 0, b'{"event_id":"0-1-0","at_ms":0,"event":{"type":"Unheard","show_id":4}}'
        )
        fixture.publish("0-2-0")
        await until(lambda: len(fixture.told) >= 2)
        assert [heard.show_id for heard in fixture.told] == [4, 3], (
            "events of a kind to come are told as well"
        )


async def test_nothing_is_read_for_nobody_and_a_pause_is_not_told_later(fixture: Fixture) -> None:
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


async def test_a_log_that_is_away_for_a_while_costs_no_event(fixture: Fixture) -> None:
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


async def test_a_follower_is_refused_while_the_end_of_the_log_is_not_known(fixture: Fixture) -> None:
    away = LogUnavailable("away")
    with mock.patch.object(fixture.log, "bounds", side_effect=away), pytest.raises(LogUnavailable):
        async with fixture.stream.reading():
            pass
    async with fixture.stream.reading():
        fixture.publish("0-1-0")
        assert await fixture.ids(1) == ["0-1-0"]
