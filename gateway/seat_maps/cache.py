"""Cache of seat-map snapshots, kept current by the seat changes that seat workers publish.

A snapshot is read from PostgreSQL once, version and seats in one statement, and then moves on with the changes
published over Redis. Changes arrive on the same connection as replies and before them, so a client that has received
a response finds its booking in the seat map. A lost message shows as a gap between versions, or in the comparison of
versions with PostgreSQL, ten times a second for every show in use; the snapshot is then read again. Without Redis the
same comparison keeps snapshots current, and a decision that arrived in another way invalidates all of them: each is
compared before it is used again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import msgspec

from gateway.http.problems import Problem
from gateway.seat_maps.snapshot import NOT_OPENED, SeatMapSnapshot, SnapshotListener
from gateway.seat_maps.store import SeatMapStore
from runtime.polling import poll
from schemas.wire import ShowSeatChanges, decode_seat_changes

COMPARE_EVERY_S = 0.1
UNSUBSCRIBED_VALID_S = 0.25
"""Validity of a snapshot after PostgreSQL confirmed it, while no changes are received."""
SUBSCRIBED_VALID_S = 1.0
"""The same while changes are received; also how late a change may be while others arrive."""
COMPARED_AFTER_USE_S = 5.0
"""Time for which a snapshot is compared after its last use."""
MAX_SNAPSHOTS = 1_000
MAX_SEATS = 2_000_000
"""Bound on the seats of all snapshots. Snapshots with a listener are kept regardless of it."""

_NOTHING_READ = -2
_CONCURRENT_READS = 4


class _Read(msgspec.Struct):
    """A read of one snapshot from PostgreSQL, shared by concurrent callers."""

    task: asyncio.Task[None]
    received: list[ShowSeatChanges]
    """Changes received meanwhile: the statement may not have seen them."""


class SeatMapCache:
    """Snapshots by show. Callers must not keep a snapshot beyond one iteration of the event loop."""

    def __init__(self, store: SeatMapStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._snapshots: dict[int, SeatMapSnapshot] = {}
        self._reads: dict[int, _Read] = {}
        self._seats = 0
        self._read_slots = asyncio.Semaphore(_CONCURRENT_READS)
        self._is_subscribed = False
        self._received_at = -math.inf
        self._invalidated_at = -math.inf
        """When all snapshots were invalidated: a query that began before it confirms none of them."""

    # --- use ---

    def get_if_valid(self, show_id: int) -> SeatMapSnapshot | None:
        """Returns the snapshot if it is in memory and valid."""
        snapshot = self._snapshots.get(show_id)
        if snapshot is None or (now := self._clock()) >= snapshot.valid_until:
            return None
        snapshot.used_at = now
        return snapshot

    async def get(self, show_id: int) -> SeatMapSnapshot:
        """Returns a snapshot no older than any earlier response. Raises Problem `not_found` and UNAVAILABLE errors."""
        began_at = self._clock()
        while True:
            snapshot = self._snapshots.get(show_id)
            if snapshot is not None and (
                snapshot.read_at >= began_at or self._clock() < snapshot.valid_until
            ):
                snapshot.used_at = began_at
                return snapshot
            await asyncio.shield(self._start_read(show_id).task)

    def set_listener(self, snapshot: SeatMapSnapshot, listener: SnapshotListener) -> None:
        """Keeps a snapshot current and passes its changes on. Must be called as soon as the snapshot is returned."""
        self._snapshots[snapshot.show_id].listener = listener

    def remove_listener(self, show_id: int) -> None:
        """Removes the listener of a show."""
        if (snapshot := self._snapshots.get(show_id)) is not None:
            snapshot.listener = None

    def require_version(self, show_id: int, version: int) -> None:
        """Invalidates an older snapshot: a client is about to receive this version of a show from PostgreSQL."""
        snapshot = self._snapshots.get(show_id)
        if snapshot is not None:
            if snapshot.version < version:
                self._invalidate_one(snapshot)
        elif show_id in self._reads:
            self.invalidate()

    # --- seat changes ---

    def invalidate(self) -> None:
        """Invalidates all snapshots: a decision was found in another way than changes arrive."""
        self._invalidated_at = self._clock()
        for snapshot in self._snapshots.values():
            snapshot.valid_until = 0.0

    def subscribed(self) -> None:
        """Every change is received from now on."""
        self._is_subscribed = True
        self.invalidate()

    def unsubscribed(self) -> None:
        """Changes are no longer received."""
        self._is_subscribed = False
        self.invalidate()

    def receive(self, message: bytes) -> None:
        """Applies a message that a seat worker published. Raises msgspec.MsgspecError for an invalid one."""
        self._received_at = self._clock()
        if not self._snapshots and not self._reads:
            return
        for change in decode_seat_changes(message):
            if (read := self._reads.get(change.show_id)) is not None:
                read.received.append(change)
            if (snapshot := self._snapshots.get(change.show_id)) is not None:
                self._apply(snapshot, change)

    def _apply(self, snapshot: SeatMapSnapshot, change: ShowSeatChanges) -> None:
        if not snapshot.apply(change):
            self._invalidate_one(snapshot)
            if snapshot.listener is not None:
                self._start_read(snapshot.show_id)

    def _invalidate_one(self, snapshot: SeatMapSnapshot) -> None:
        snapshot.invalidated_at = self._clock()
        snapshot.valid_until = 0.0

    # --- reads ---

    def _start_read(self, show_id: int) -> _Read:
        read = self._reads.get(show_id)
        if read is None:
            task = asyncio.create_task(self._read(show_id), name=f"seat map of show {show_id}")
            read = self._reads[show_id] = _Read(task, [])
            task.add_done_callback(lambda done: self._finish_read(show_id, done))
        return read

    def _finish_read(self, show_id: int, task: asyncio.Task[None]) -> None:
        del self._reads[show_id]
        if not task.cancelled():
            task.exception()  # retrieved here, because there may be no caller left to retrieve it

    async def _read(self, show_id: int) -> None:
        async with self._read_slots:
            began_at = self._clock()
            snapshot = self._snapshots.get(show_id)
            known = _NOTHING_READ if snapshot is None else snapshot.version
            stored = await self._store.read(show_id, known)
        if stored is None:
            raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
        if snapshot is None:
            layout = await self._store.layout(stored.layout_id)
            snapshot = SeatMapSnapshot(show_id, layout, stored.version, stored.claims, stored.terms)
            self._keep(snapshot)
        elif stored.version != known and not known < stored.version <= snapshot.version:
            # Newer than the changes received meanwhile, or older than before: another state was restored.
            snapshot.replace(stored.version, stored.claims, stored.terms)
        snapshot.awaited_version = None
        for change in self._reads[show_id].received:
            self._apply(snapshot, change)
        self._confirm(snapshot, began_at)

    def _confirm(self, snapshot: SeatMapSnapshot, began_at: float) -> None:
        """Extends the validity of a snapshot: a query that began at this time found no newer version."""
        snapshot.read_at = max(snapshot.read_at, began_at)
        if began_at > self._invalidated_at and began_at > snapshot.invalidated_at:
            valid_s = SUBSCRIBED_VALID_S if self._is_subscribed else UNSUBSCRIBED_VALID_S
            snapshot.valid_until = began_at + valid_s

    def _keep(self, snapshot: SeatMapSnapshot) -> None:
        """Adds a snapshot, and evicts the least recently used ones past the bounds."""
        snapshot.used_at = self._clock()
        self._seats += len(snapshot.states)
        self._snapshots[snapshot.show_id] = snapshot
        if len(self._snapshots) <= MAX_SNAPSHOTS and self._seats <= MAX_SEATS:
            return
        for old in sorted(self._snapshots.values(), key=lambda one: one.used_at):
            if old is not snapshot and old.listener is None and old.show_id not in self._reads:
                del self._snapshots[old.show_id]
                self._seats -= len(old.states)
                if len(self._snapshots) <= MAX_SNAPSHOTS and self._seats <= MAX_SEATS:
                    return

    # --- comparison ---

    async def compare(self) -> None:
        """Compares the versions of all snapshots in use with PostgreSQL, in one query."""
        began_at = self._clock()
        known = {
            snapshot.show_id: snapshot.version
            for snapshot in self._snapshots.values()
            if snapshot.listener is not None or snapshot.used_at > began_at - COMPARED_AFTER_USE_S
        }
        if not known:
            return
        stored = await self._store.versions(known)
        for show_id, version_then in known.items():
            if (snapshot := self._snapshots.get(show_id)) is not None:
                self._compare_one(snapshot, version_then, stored.get(show_id, NOT_OPENED), began_at)

    def _compare_one(
        self, snapshot: SeatMapSnapshot, version_then: int, stored: int, began_at: float
    ) -> None:
        if snapshot.awaited_version is not None and snapshot.version >= snapshot.awaited_version:
            snapshot.awaited_version = None
        if version_then <= stored <= snapshot.version:
            self._confirm(snapshot, began_at)
        elif stored > version_then and self._may_still_arrive(snapshot, began_at):
            if snapshot.awaited_version is None:
                snapshot.awaited_version, snapshot.awaited_since = stored, began_at
                if snapshot.valid_until:  # it was current one comparison ago
                    snapshot.valid_until = began_at - COMPARE_EVERY_S + SUBSCRIBED_VALID_S
        else:
            snapshot.awaited_version = None
            self._invalidate_one(snapshot)
        if snapshot.listener is not None and not snapshot.valid_until:
            self._start_read(snapshot.show_id)

    def _may_still_arrive(self, snapshot: SeatMapSnapshot, now: float) -> bool:
        """Returns whether the message about a version in PostgreSQL is probably on its way.

        One that was committed just now is. Later, if no messages arrived since, it was lost; if messages did arrive,
        they are delayed, and reading snapshots again would only delay them further.
        """
        if not self._is_subscribed:
            return False
        if snapshot.awaited_version is None:
            return True
        return (
            self._received_at > snapshot.awaited_since and now < snapshot.awaited_since + SUBSCRIBED_VALID_S
        )

    async def run(self) -> None:
        """Compares versions until cancelled."""
        await poll("seat-map comparison", self.compare, every_s=COMPARE_EVERY_S)

    async def close(self) -> None:
        """Cancels the reads in progress."""
        tasks = [read.task for read in self._reads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
