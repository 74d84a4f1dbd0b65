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
from gateway.seat_maps.snapshot import NOT_OPENED, Picture, Watchers
from gateway.seat_maps.store import StoredSeats
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


class SeatPictures:
    """Pictures by show. Not to be kept by who gets one: ask again."""

    def __init__(self, stored: StoredSeats, clock: Callable[[], float] = time.monotonic) -> None:
        self._stored = stored
        self._clock = clock
        self._pictures: dict[int, Picture] = {}
        self._readings: dict[int, _Reading] = {}
        self._seats = 0
        self._room = asyncio.Semaphore(_READINGS_AT_ONCE)
        self._fed = False
        self._heard_at = -math.inf
        self._doubted_at = -math.inf
        """All pictures were doubtful then: what was asked of PostgreSQL before does not confirm any."""

    # --- looking ---

    def good(self, show_id: int) -> Picture | None:
        """The picture, if it is in memory and can be shown as it is."""
        picture = self._pictures.get(show_id)
        if picture is None or (now := self._clock()) >= picture.good_until:
            return None
        picture.asked_at = now
        return picture

    async def current(self, show_id: int) -> Picture:
        """The picture, not older than any answer given before. Raises Problem `not_found`; AWAY errors."""
        asked_at = self._clock()
        while True:
            picture = self._pictures.get(show_id)
            if picture is not None and (picture.read_at >= asked_at or self._clock() < picture.good_until):
                picture.asked_at = asked_at
                return picture
            await asyncio.shield(self._read_soon(show_id).task)

    def watch(self, picture: Picture, watchers: Watchers) -> None:
        """Keeps a picture right and tells of its changes, until `unwatch`. To be called as soon as one has it."""
        self._pictures[picture.show_id].watchers = watchers

    def unwatch(self, show_id: int) -> None:
        """Nobody watches this show any more."""
        if (picture := self._pictures.get(show_id)) is not None:
            picture.watchers = None

    # --- being told ---

    def decided(self, show_id: int, version: int) -> None:
        """Somebody is about to be told of this version of a show, as PostgreSQL has it."""
        picture = self._pictures.get(show_id)
        if picture is not None:
            if picture.version < version:
                self._doubt_one(picture)
        elif show_id in self._readings:
            self.doubt()

    def doubt(self) -> None:
        """Answers were found in another way than changes come."""
        self._doubted_at = self._clock()
        for picture in self._pictures.values():
            picture.good_until = 0.0

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
        if not self._pictures and not self._readings:
            return
        for change in decode_seat_changes(message):
            if (reading := self._readings.get(change.show_id)) is not None:
                reading.heard.append(change)
            if (picture := self._pictures.get(change.show_id)) is not None:
                self._move(picture, change)

    def _move(self, picture: Picture, change: ShowSeatChanges) -> None:
        if not picture.hear(change):
            self._doubt_one(picture)
            if picture.watchers is not None:
                self._read_soon(picture.show_id)

    def _doubt_one(self, picture: Picture) -> None:
        picture.doubted_at = self._clock()
        picture.good_until = 0.0

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
            picture = self._pictures.get(show_id)
            known = _NOTHING_READ if picture is None else picture.version
            stored = await self._stored.picture(show_id, known)
        if stored is None:
            raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
        if picture is None:
            layout = await self._stored.layout(stored.layout_id)
            picture = Picture(show_id, layout, stored.version, stored.claims, stored.terms)
            self._keep(picture)
        elif stored.version != known and not known < stored.version <= picture.version:
            # Newer than what was heard meanwhile; or older than what we had: another state was restored.
            picture.replace(stored.version, stored.claims, stored.terms)
        picture.missing = None
        for change in self._readings[show_id].heard:
            self._move(picture, change)
        self._confirm(picture, began_at)

    def _confirm(self, picture: Picture, asked_at: float) -> None:
        """PostgreSQL, asked then, had nothing newer."""
        picture.read_at = max(picture.read_at, asked_at)
        if asked_at > self._doubted_at and asked_at > picture.doubted_at:
            picture.good_until = asked_at + (FED_S if self._fed else ALONE_S)

    def _keep(self, picture: Picture) -> None:
        picture.asked_at = self._clock()
        self._seats += len(picture.states)
        self._pictures[picture.show_id] = picture
        if len(self._pictures) <= MAX_PICTURES and self._seats <= MAX_SEATS:
            return
        for old in sorted(self._pictures.values(), key=lambda one: one.asked_at):
            if old is not picture and old.watchers is None and old.show_id not in self._readings:
                del self._pictures[old.show_id]
                self._seats -= len(old.states)
                if len(self._pictures) <= MAX_PICTURES and self._seats <= MAX_SEATS:
                    return

    # --- comparing ---

    async def compare(self) -> None:
        """Compares the versions of all shows that somebody looks at, in one query."""
        began_at = self._clock()
        known = {
            picture.show_id: picture.version
            for picture in self._pictures.values()
            if picture.watchers is not None or picture.asked_at > began_at - LOOKED_AT_S
        }
        if not known:
            return
        stored = await self._stored.versions(known)
        for show_id, version_then in known.items():
            if (picture := self._pictures.get(show_id)) is not None:
                self._compare_one(picture, version_then, stored.get(show_id, NOT_OPENED), began_at)

    def _compare_one(self, picture: Picture, version_then: int, stored: int, began_at: float) -> None:
        if picture.missing is not None and picture.version >= picture.missing:
            picture.missing = None
        if version_then <= stored <= picture.version:
            self._confirm(picture, began_at)
        elif stored > version_then and self._may_be_heard_yet(picture, began_at):
            if picture.missing is None:
                picture.missing, picture.missing_at = stored, began_at
                if picture.good_until:  # it was right one comparison ago
                    picture.good_until = began_at - COMPARE_EVERY_S + FED_S
        else:
            picture.missing = None
            self._doubt_one(picture)
        if picture.watchers is not None and not picture.good_until:
            self._read_soon(picture.show_id)

    def _may_be_heard_yet(self, picture: Picture, now: float) -> bool:
        """Whether a version that PostgreSQL has is likely on its way to us.

        One that was committed just now is. Later on, a feed that is silent has missed it; one that is not is
        behind, and to read pictures again would only put it further behind.
        """
        if not self._fed:
            return False
        if picture.missing is None:
            return True
        return self._heard_at > picture.missing_at and now < picture.missing_at + FED_S

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
