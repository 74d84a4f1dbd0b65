"""Who watches a show: what each of them is sent, in what order, and how often."""

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
    """Keeps the frames it is sent."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._came = asyncio.Event()

    def push(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._came.set()

    @property
    def messages(self) -> list[Any]:
        return [json.loads(frame[2:]) for frame in self.frames]

    async def until(self, version: int) -> None:
        """Waits until it has been told of this version."""
        async with asyncio.timeout(10):
            while self.messages[-1].get("version", 0) < version:
                self._came.clear()
                await self._came.wait()


class Fixture:
    """A picture with its audience."""

    def __init__(self) -> None:
        self.snapshot = SeatMapSnapshot(7, LAYOUT, 10, [], ShowTerms("open", int(FAR_MS) * 2))
        self.broadcast = SeatBroadcast(self.snapshot, 0)
        self.snapshot.listener = self.broadcast

    def joined(self) -> FakeSubscriber:
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
    told = {label.removeprefix("seat"): letter for label, letter in letters.items()}
    return {"type": "changes", "version": version, "changes": told}


async def test_the_first_change_goes_out_at_once_and_the_next_ones_together(fixture: Fixture) -> None:
    watcher = fixture.joined()
    assert watcher.messages == [{"type": "seats", "version": 10, "states": "aaaaa"}]
    fixture.change(11, seat1="h")
    assert watcher.messages[1:] == [changes(11, seat1="h")]
    fixture.change(12, seat1="s", seat2="h")
    fixture.change(14, seat2="a", seat3="s")
    assert len(watcher.frames) == 2
    await watcher.until(14)
    assert watcher.messages[2:] == [changes(14, seat1="s", seat2="a", seat3="s")]


async def test_all_are_sent_the_very_same_bytes_a_few_hundred_at_a_time(fixture: Fixture) -> None:
    listener = [fixture.joined() for _ in range(1_000)]
    fixture.change(11, seat1="s")
    told = sum(len(watcher.frames) == 2 for watcher in listener)
    assert 0 < told < len(listener), "the others have their turn in between"
    await listener[-1].until(11)
    assert len({id(watcher.frames[0]) for watcher in listener}) == 1
    assert len({id(watcher.frames[1]) for watcher in listener}) == 1


async def test_who_comes_in_between_has_the_seats_as_they_are_and_is_told_no_change_twice(
    fixture: Fixture,
) -> None:
    first = fixture.joined()
    fixture.change(11, seat1="s")
    fixture.change(12, seat2="s")
    late = fixture.joined()
    assert late.messages == [{"type": "seats", "version": 12, "states": "ssaaa"}]
    await first.until(12)
    fixture.change(13, seat3="s")
    await late.until(13)
    assert late.messages[1:] == [changes(13, seat3="s")]
    assert [message["version"] for message in first.messages] == [10, 11, 12, 13]


async def test_while_many_are_being_told_what_is_new_waits_and_comes_in_order(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_broadcast, "_SENDS_PER_ITERATION", 1)
    monkeypatch.setattr(seat_broadcast, "COALESCE_S", 0.0)
    listener = [fixture.joined() for _ in range(30)]
    for version in range(11, 61):
        fixture.change(version, seat1="hs"[version % 2], seat2="sa"[version % 2])
        await asyncio.sleep(0)
    for watcher in listener:
        await watcher.until(60)
        versions = [message["version"] for message in watcher.messages]
        assert versions == sorted(set(versions))
        assert watcher.messages[-1] == changes(60, seat1="h", seat2="s")


async def test_a_status_is_told_once_and_to_who_comes_later(fixture: Fixture) -> None:
    watcher = fixture.joined()
    closed = msgspec.structs.replace(fixture.snapshot.terms, status="closed")
    fixture.snapshot.replace(11, [(0, ord("s"))], closed)
    assert watcher.messages[1:] == [{"type": "show", "status": "closed"}, changes(11, seat1="s")]
    fixture.broadcast.update_status(0)
    assert len(watcher.frames) == 3
    assert [message["type"] for message in fixture.joined().messages] == ["seats", "show"]
    fixture.broadcast.update_status(FAR_MS * 2)
    assert watcher.messages[-1] == {"type": "show", "status": "past"}


async def test_who_has_left_is_told_nothing_more(fixture: Fixture) -> None:
    gone, there = fixture.joined(), fixture.joined()
    fixture.broadcast.remove(gone)
    fixture.change(11, seat1="s")
    assert (len(gone.frames), len(there.frames), len(fixture.broadcast)) == (1, 2, 1)
    fixture.broadcast.remove(there)
    fixture.broadcast.close()
    assert not fixture.broadcast
