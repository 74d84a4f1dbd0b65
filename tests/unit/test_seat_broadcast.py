"""The broadcast of a show: the frames of each subscriber, their order and their number."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from gateway.live import seat_broadcast
from gateway.live.seat_broadcast import SeatBroadcast
from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import SeatMapSnapshot, ShowTerms
from schemas.layout import Money, encode_layout, numbered
from schemas.wire import ShowSeatChanges

LAYOUT = EncodedLayout(encode_layout(numbered(5, Money(1000, "EUR"))))
FAR_MS = 2.0**52


class FakeSubscriber:
    """A subscriber that keeps its frames."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._arrived = asyncio.Event()

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._arrived.set()

    @property
    def messages(self) -> list[Any]:
        return [json.loads(frame[2:]) for frame in self.frames]

    async def until(self, version: int) -> None:
        """Waits until this version has arrived."""
        async with asyncio.timeout(10):
            while self.messages[-1].get("version", 0) < version:
                self._arrived.clear()
                await self._arrived.wait()


class Fixture:
    """A snapshot with its broadcast."""

    def __init__(self) -> None:
        self.snapshot = SeatMapSnapshot(7, LAYOUT, 10, [], ShowTerms("open", int(FAR_MS) * 2))
        self.broadcast = SeatBroadcast(self.snapshot, 0)
        self.snapshot.listener = self.broadcast

    def subscriber_added(self) -> FakeSubscriber:
        watcher = FakeSubscriber()
        self.broadcast.add(watcher, 0)
        return watcher

    def change(self, version: int, **letters: str) -> None:
        changes = {label.removeprefix("seat"): letter for label, letter in letters.items()}
        assert self.snapshot.apply(ShowSeatChanges(7, self.snapshot.version, version, changes))


@pytest.fixture
async def fixture() -> Fixture:
    return Fixture()


def changes(version: int, **letters: str) -> dict[str, Any]:
    states = {label.removeprefix("seat"): letter for label, letter in letters.items()}
    return {"type": "changes", "version": version, "changes": states}


async def test_the_first_change_is_sent_at_once_and_the_next_ones_coalesced(fixture: Fixture) -> None:
    watcher = fixture.subscriber_added()
    assert watcher.messages == [{"type": "seats", "version": 10, "states": "aaaaa"}]
    fixture.change(11, seat1="h")
    assert watcher.messages[1:] == [changes(11, seat1="h")]
    fixture.change(12, seat1="s", seat2="h")
    fixture.change(14, seat2="a", seat3="s")
    assert len(watcher.frames) == 2
    await watcher.until(14)
    assert watcher.messages[2:] == [changes(14, seat1="s", seat2="a", seat3="s")]


async def test_all_subscribers_get_the_same_bytes_in_batches(fixture: Fixture) -> None:
    listener = [fixture.subscriber_added() for _ in range(1_000)]
    fixture.change(11, seat1="s")
    sent = sum(len(watcher.frames) == 2 for watcher in listener)
    assert 0 < sent < len(listener), "the other tasks run in between"
    await listener[-1].until(11)
    assert len({id(watcher.frames[0]) for watcher in listener}) == 1
    assert len({id(watcher.frames[1]) for watcher in listener}) == 1


async def test_a_late_subscriber_gets_current_seats_and_no_change_twice(
    fixture: Fixture,
) -> None:
    first = fixture.subscriber_added()
    fixture.change(11, seat1="s")
    fixture.change(12, seat2="s")
    late = fixture.subscriber_added()
    assert late.messages == [{"type": "seats", "version": 12, "states": "ssaaa"}]
    await first.until(12)
    fixture.change(13, seat3="s")
    await late.until(13)
    assert late.messages[1:] == [changes(13, seat3="s")]
    assert [message["version"] for message in first.messages] == [10, 11, 12, 13]


async def test_changes_during_a_long_broadcast_are_sent_later_in_order(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_broadcast, "_SENDS_PER_ITERATION", 1)
    monkeypatch.setattr(seat_broadcast, "COALESCE_S", 0.0)
    listener = [fixture.subscriber_added() for _ in range(30)]
    for version in range(11, 61):
        fixture.change(version, seat1="hs"[version % 2], seat2="sa"[version % 2])
        await asyncio.sleep(0)
    for watcher in listener:
        await watcher.until(60)
        versions = [message["version"] for message in watcher.messages]
        assert versions == sorted(set(versions))
        assert watcher.messages[-1] == changes(60, seat1="h", seat2="s")


async def test_a_status_is_sent_once_and_to_later_subscribers(fixture: Fixture) -> None:
    watcher = fixture.subscriber_added()
    closed = msgspec.structs.replace(fixture.snapshot.terms, status="closed")
    fixture.snapshot.replace(11, [(0, ord("s"))], closed)
    assert watcher.messages[1:] == [{"type": "show", "status": "closed"}, changes(11, seat1="s")]
    fixture.broadcast.update_status(0)
    assert len(watcher.frames) == 3
    assert [message["type"] for message in fixture.subscriber_added().messages] == ["seats", "show"]
    fixture.broadcast.update_status(FAR_MS * 2)
    assert watcher.messages[-1] == {"type": "show", "status": "past"}


async def test_a_removed_subscriber_gets_nothing_more(fixture: Fixture) -> None:
    gone, there = fixture.subscriber_added(), fixture.subscriber_added()
    fixture.broadcast.remove(gone)
    fixture.change(11, seat1="s")
    assert (len(gone.frames), len(there.frames), len(fixture.broadcast)) == (1, 2, 1)
    fixture.broadcast.remove(there)
    fixture.broadcast.close()
    assert not fixture.broadcast
