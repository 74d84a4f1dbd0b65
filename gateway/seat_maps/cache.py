"""The gateway's pictures of the seats of shows, and what makes them right.

A picture is read from PostgreSQL once, version and letters in one statement, and then moves on by the changes
that seat workers publish over Redis. They come over the connection that brings the replies, in front of them:
who was answered finds it in the picture. What was missed shows as a gap between versions, or when versions are
compared, ten times a second for every show that somebody looks at; the picture is then read again. Without
Redis the same comparison keeps pictures up to date, and an answer that came another way makes all of them
doubtful: each is compared before it is shown again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import asyncpg
import msgspec
import structlog

from gateway.http.problems import Problem
from gateway.seat_maps.snapshot import NOT_OPENED, SeatMapSnapshot, Watchers
from gateway.seat_maps.store import SeatMapStore
from runtime.postgres import AWAY
from schemas.wire import ShowSeatChanges, decode_seat_changes

COMPARE_EVERY_S = 0.1
ALONE_S = 0.25
"""How long a picture can be shown that no changes are heard for, after PostgreSQL has confirmed it."""
FED_S = 1.0
"""The same where changes are heard; also how long a change may be late while others are heard."""
LOOKED_AT_S = 5.0
"""How long after it was asked for a picture is still compared."""
MAX_PICTURES = 1_000
MAX_SEATS = 2_000_000
"""Of all pictures together; those with watchers stay whatever their size."""

_NOTHING_READ = -2
_READINGS_AT_ONCE = 4

_log = structlog.get_logger()


class _Reading(msgspec.Struct):
    """One picture on its way from PostgreSQL, for all who wait for it."""

    task: asyncio.Task[None]
    heard: list[ShowSeatChanges]
    """What was published meanwhile: the statement may not have seen it."""


class SeatMapCache:
    """Pictures by show. Not to be kept by who gets one: ask again."""

    def __init__(self, stored: SeatMapStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._clock = clock
        self._seat_maps: dict[int, SeatMapSnapshot] = {}
        self._readings: dict[int, _Reading] = {}
        self._seats = 0
        self._room = asyncio.Semaphore(_READINGS_AT_ONCE)
        self._fed = False
        self._heard_at = -math.inf
        self._doubted_at = -math.inf
        """All pictures were doubtful then: what was asked of PostgreSQL before does not confirm any."""

    # --- looking ---

    def good(self, show_id: int) -> SeatMapSnapshot | None:
        """The picture, if it is in memory and can be shown as it is."""
        snapshot = self._seat_maps.get(show_id)
        if snapshot is None or (now := self._clock()) >= snapshot.good_until:
            return None
        snapshot.asked_at = now
        return snapshot

    async def current(self, show_id: int) -> SeatMapSnapshot:
        """The picture, not older than any answer given before. Raises Problem `not_found`; AWAY errors."""
        asked_at = self._clock()
        while True:
            snapshot = self._seat_maps.get(show_id)
            if snapshot is not None and (snapshot.read_at >= asked_at or self._clock() < snapshot.good_until):
                snapshot.asked_at = asked_at
                return snapshot
            await asyncio.shield(self._read_soon(show_id).task)

    def watch(self, snapshot: SeatMapSnapshot, watchers: Watchers) -> None:
        """Keeps a picture right and tells of its changes, until `unwatch`. To be called as soon as one has it."""
        self._seat_maps[snapshot.show_id].watchers = watchers

    def unwatch(self, show_id: int) -> None:
        """Nobody watches this show any more."""
        if (snapshot := self._seat_maps.get(show_id)) is not None:
            snapshot.watchers = None

    # --- being told ---

    def decided(self, show_id: int, version: int) -> None:
        """Somebody is about to be told of this version of a show, as PostgreSQL has it."""
        snapshot = self._seat_maps.get(show_id)
        if snapshot is not None:
            if snapshot.version < version:
                self._doubt_one(snapshot)
        elif show_id in self._readings:
            self.doubt()

    def doubt(self) -> None:
        """Answers were found in another way than changes come."""
        self._doubted_at = self._clock()
        for snapshot in self._seat_maps.values():
            snapshot.good_until = 0.0

    def feed_began(self) -> None:
        """From now on every change is heard."""
        self._fed = True
        self.doubt()

    def feed_ended(self) -> None:
        """Changes are not heard any more."""
        self._fed = False
        self.doubt()

    def hear(self, message: bytes) -> None:
        """Takes what a seat worker published. Raises msgspec.MsgspecError for what is not that."""
        self._heard_at = self._clock()
        if not self._seat_maps and not self._readings:
            return
        for change in decode_seat_changes(message):
            if (reading := self._readings.get(change.show_id)) is not None:
                reading.heard.append(change)
            if (snapshot := self._seat_maps.get(change.show_id)) is not None:
                self._move(snapshot, change)

    def _move(self, snapshot: SeatMapSnapshot, change: ShowSeatChanges) -> None:
        if not snapshot.hear(change):
            self._doubt_one(snapshot)
            if snapshot.watchers is not None:
                self._read_soon(snapshot.show_id)

    def _doubt_one(self, snapshot: SeatMapSnapshot) -> None:
        snapshot.doubted_at = self._clock()
        snapshot.good_until = 0.0

    # --- reading ---

    def _read_soon(self, show_id: int) -> _Reading:
        reading = self._readings.get(show_id)
        if reading is None:
            task = asyncio.create_task(self._read(show_id), name=f"picture of show {show_id}")
            reading = self._readings[show_id] = _Reading(task, [])
            task.add_done_callback(lambda ended: self._read_ended(show_id, ended))
        return reading

    def _read_ended(self, show_id: int, task: asyncio.Task[None]) -> None:
        del self._readings[show_id]
        if not task.cancelled():
            task.exception()  # whoever waits has it too

    async def _read(self, show_id: int) -> None:
        async with self._room:
            began_at = self._clock()
            snapshot = self._seat_maps.get(show_id)
            known = _NOTHING_READ if snapshot is None else snapshot.version
            stored = await self._stored.snapshot(show_id, known)
        if stored is None:
            raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
        if snapshot is None:
            layout = await self._stored.layout(stored.layout_id)
            snapshot = SeatMapSnapshot(show_id, layout, stored.version, stored.claims, stored.terms)
            self._keep(snapshot)
        elif stored.version != known and not known < stored.version <= snapshot.version:
            # Newer than what was heard meanwhile; or older than what we had: another state was restored.
            snapshot.replace(stored.version, stored.claims, stored.terms)
        snapshot.missing = None
        for change in self._readings[show_id].heard:
            self._move(snapshot, change)
        self._confirm(snapshot, began_at)

    def _confirm(self, snapshot: SeatMapSnapshot, asked_at: float) -> None:
        """PostgreSQL, asked then, had nothing newer."""
        snapshot.read_at = max(snapshot.read_at, asked_at)
        if asked_at > self._doubted_at and asked_at > snapshot.doubted_at:
            snapshot.good_until = asked_at + (FED_S if self._fed else ALONE_S)

    def _keep(self, snapshot: SeatMapSnapshot) -> None:
        snapshot.asked_at = self._clock()
        self._seats += len(snapshot.states)
        self._seat_maps[snapshot.show_id] = snapshot
        if len(self._seat_maps) <= MAX_PICTURES and self._seats <= MAX_SEATS:
            return
        for old in sorted(self._seat_maps.values(), key=lambda one: one.asked_at):
            if old is not snapshot and old.watchers is None and old.show_id not in self._readings:
                del self._seat_maps[old.show_id]
                self._seats -= len(old.states)
                if len(self._seat_maps) <= MAX_PICTURES and self._seats <= MAX_SEATS:
                    return

    # --- comparing ---

    async def compare(self) -> None:
        """Compares the versions of all shows that somebody looks at, in one query."""
        began_at = self._clock()
        known = {
            snapshot.show_id: snapshot.version
            for snapshot in self._seat_maps.values()
            if snapshot.watchers is not None or snapshot.asked_at > began_at - LOOKED_AT_S
        }
        if not known:
            return
        stored = await self._stored.versions(known)
        for show_id, version_then in known.items():
            if (snapshot := self._seat_maps.get(show_id)) is not None:
                self._compare_one(snapshot, version_then, stored.get(show_id, NOT_OPENED), began_at)

    def _compare_one(
        self, snapshot: SeatMapSnapshot, version_then: int, stored: int, began_at: float
    ) -> None:
        if snapshot.missing is not None and snapshot.version >= snapshot.missing:
            snapshot.missing = None
        if version_then <= stored <= snapshot.version:
            self._confirm(snapshot, began_at)
        elif stored > version_then and self._may_be_heard_yet(snapshot, began_at):
            if snapshot.missing is None:
                snapshot.missing, snapshot.missing_at = stored, began_at
                if snapshot.good_until:  # it was right one comparison ago
                    snapshot.good_until = began_at - COMPARE_EVERY_S + FED_S
        else:
            snapshot.missing = None
            self._doubt_one(snapshot)
        if snapshot.watchers is not None and not snapshot.good_until:
            self._read_soon(snapshot.show_id)

    def _may_be_heard_yet(self, snapshot: SeatMapSnapshot, now: float) -> bool:
        """Whether a version that PostgreSQL has is likely on its way to us.

        One that was committed just now is. Later on, a feed that is silent has missed it; one that is not is
        behind, and to read pictures again would only put it further behind.
        """
        if not self._fed:
            return False
        if snapshot.missing is None:
            return True
        return self._heard_at > snapshot.missing_at and now < snapshot.missing_at + FED_S

    async def run(self) -> None:
        """Compares for ever."""
        failing = False
        while True:
            await asyncio.sleep(COMPARE_EVERY_S)
            try:
                await self.compare()
                failing = False
            except (*AWAY, asyncpg.PostgresError) as error:
                if not failing:
                    _log.warning("seats cannot be compared", error=str(error) or type(error).__name__)
                failing = True

    async def close(self) -> None:
        """Ends what is being read."""
        tasks = [reading.task for reading in self._readings.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
