"""Cache of catalogue responses: encoded bodies with entity tags, valid while nothing they depend on has changed.

Every POLL_EVERY_S a gateway reads, in one small query, the change counter of the catalogue and the committed offset of
each partition; any change of a show moves its partition. A cached response is fresh while the versions that it depends
on are unchanged, so it is at most a second older than a change made through any gateway. Changes made through this
gateway count at once: a decision invalidates the responses about its show, a change of the catalogue all of them.

The versions belong to the response from before it was read: a change during the read makes the response stale, so no
change is lost. Without the database the last responses are served for up to a minute.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple

from gateway.http.etags import etag_of
from gateway.http.problems import Problem
from runtime.polling import poll

POLL_EVERY_S = 0.4
MAX_RESPONSES = 5_000
MAX_BYTES = 64 * 2**20
DEPENDS_ON_CATALOGUE = -1
"""The response depends on the catalogue's tables alone."""
DEPENDS_ON_ALL_SHOWS = -2
"""The response depends on shows of any partition."""

_MAX_STALE_S = 60.0
# A busy show is read once in this interval; requests in between wait for the next read.
_MIN_READ_INTERVAL_S = 0.05
_MAX_PENDING_READS = 500

_VERSIONS_SQL = """
SELECT (SELECT changes FROM catalogue_changes) AS changes,
       array_agg(partition) AS partitions, array_agg(ARRAY[epoch, next_offset]) AS heads FROM partitions
"""


class ReadResult(NamedTuple):
    """A response body that was read, with its dependency."""

    body: bytes
    depends_on: int
    """DEPENDS_ON_CATALOGUE, DEPENDS_ON_ALL_SHOWS, or the partition of the one show that it is about."""
    max_age_s: float = math.inf
    """Seconds until the body changes by the passage of time alone."""


class CachedResponse(NamedTuple):
    """A cached response, with the versions under which it is fresh."""

    body: bytes
    etag: bytes
    depends_on: int
    show_id: int
    generation: int
    version: object
    decided: int
    read_at: float
    until: float


Key = Hashable
Read = Callable[[], Awaitable[ReadResult]]


class ResponseCache:
    """Responses by key. `decided`: show → newest offset of a decision about it that this gateway has received."""

    def __init__(self, pool: Any, decided: Mapping[int, int]) -> None:
        self._pool = pool
        self._decided = decided
        self._responses: OrderedDict[Key, CachedResponse] = OrderedDict()
        self._bytes = 0
        self._versions: dict[int, object] = {}
        self._generation = 0
        self._polled_at = -math.inf
        self._polling = asyncio.Lock()
        self._pending: dict[Key, _PendingRead] = {}

    async def get(self, key: Key, read: Read, show_id: int = 0) -> CachedResponse:
        """The response under this key. A stale one is read again; concurrent requests share one read.

        `show_id`: the one show that it is about, if any. Raises what `read` raises, or Problem `overloaded`.
        """
        known = self.get_fresh(key)
        if known is not None:
            return known
        known = self._responses.get(key)
        pending = self._pending.get(key)
        if pending is None or not pending.is_current(
            self._generation, self._versions, self._decided.get(show_id, -1)
        ):
            if len(self._pending) >= _MAX_PENDING_READS:
                raise Problem(
                    "overloaded", "Too many requests at once: try again in a moment.", retry_after_s=1
                )
            pause_s = 0.0 if known is None else known.read_at + _MIN_READ_INTERVAL_S - _now()
            pending = self._pending[key] = _PendingRead()
            pending.task = asyncio.create_task(self._read(key, read, show_id, pause_s, pending))
        return await asyncio.shield(pending.task)

    def get_fresh(self, key: Key) -> CachedResponse | None:
        """The cached response under this key, if it is fresh."""
        known = self._responses.get(key)
        if known is None or not self._is_fresh(known):
            return None
        self._responses.move_to_end(key)
        return known

    def invalidate(self) -> None:
        """Makes all cached responses stale, after a change through this gateway."""
        self._generation += 1

    async def refresh(self) -> None:
        """Reads the current versions."""
        async with self._polling:  # one at a time, so that older versions never overwrite newer ones
            row = await self._pool.fetchrow(_VERSIONS_SQL)
            catalogue = row["changes"]
            heads = zip(row["partitions"] or (), row["heads"] or (), strict=True)
            versions: dict[int, object] = {partition: (catalogue, *head) for partition, head in heads}
            versions[DEPENDS_ON_ALL_SHOWS] = (catalogue, tuple(sorted(versions.items())))
            versions[DEPENDS_ON_CATALOGUE] = catalogue
            if versions != self._versions:
                self._versions = versions
            self._polled_at = _now()

    async def watch(self) -> None:
        """Polls the versions until it is cancelled."""
        await poll("catalogue changes", self.refresh, every_s=POLL_EVERY_S)

    def _is_fresh(self, response: CachedResponse) -> bool:
        now = _now()
        return (
            response.generation == self._generation
            and response.version == _version(self._versions, response.depends_on)
            and response.decided == self._decided.get(response.show_id, -1)
            and now < response.until
            and now < self._polled_at + _MAX_STALE_S
        )

    async def _read(
        self, key: Key, read: Read, show_id: int, pause_s: float, pending: _PendingRead
    ) -> CachedResponse:
        try:
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            generation, versions, decided, now = (
                self._generation,
                self._versions,
                self._decided.get(show_id, -1),
                _now(),
            )
            pending.begin(generation, versions, decided)
            found = await read()
            response = CachedResponse(
                body=found.body,
                etag=etag_of(found.body),
                depends_on=found.depends_on,
                show_id=show_id,
                generation=generation,
                version=_version(versions, found.depends_on),
                decided=decided,
                read_at=now,
                until=now + found.max_age_s,
            )
            self._keep(key, response)
            return response
        finally:
            if self._pending.get(key) is pending:
                del self._pending[key]

    def _keep(self, key: Key, response: CachedResponse) -> None:
        before = self._responses.pop(key, None)
        if before is not None:
            self._bytes -= len(before.body)
            if before.read_at > response.read_at:  # a read that began later has finished first
                response = before
        self._responses[key] = response
        self._bytes += len(response.body)
        while len(self._responses) > MAX_RESPONSES or self._bytes > MAX_BYTES:
            self._bytes -= len(self._responses.popitem(last=False)[1].body)


class _PendingRead:
    """A read in progress, shared by concurrent requests."""

    def __init__(self) -> None:
        self._seen: tuple[int, object, int] | None = None
        self._task: asyncio.Task[CachedResponse] | None = None

    @property
    def task(self) -> asyncio.Task[CachedResponse]:
        assert self._task is not None
        return self._task

    @task.setter
    def task(self, task: asyncio.Task[CachedResponse]) -> None:
        self._task = task
        # All requests may have been cancelled: then nothing else retrieves the exception.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def begin(self, generation: int, versions: object, decided: int) -> None:
        self._seen = (generation, versions, decided)

    def is_current(self, generation: int, versions: object, decided: int) -> bool:
        """Whether the read includes the current state: it has not begun, or nothing has changed since."""
        if self._seen is None:
            return True
        return self._seen[0] == generation and self._seen[1] is versions and self._seen[2] == decided


def _version(versions: Mapping[int, object], depends_on: int) -> object:
    # A partition that no worker has owned yet has no row.
    return versions[depends_on] if depends_on in versions else versions.get(DEPENDS_ON_CATALOGUE)


def _now() -> float:
    return asyncio.get_running_loop().time()
