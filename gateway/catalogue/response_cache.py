"""What the catalogue's calls answered, kept as final bytes for as long as nothing has changed.

Every gateway asks twice a second, in one small query, how often movies and shows have changed and how far each
partition is decided; whatever a show's writer changes moves its partition on. An answer stands while what it was
made of has not moved: so it is right within a second of a change made anywhere. What this gateway itself was told
or has written counts at once: after a booking through it a show is read again, and so is everything after a
change of the catalogue.

What was seen of the marks before reading belongs to the answer: a change in between makes it be read again, never
lost. While the database is away the last answers stand, for a minute.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple

import asyncpg
import structlog

from gateway.http.etags import etag_of
from gateway.http.problems import Problem
from runtime.postgres import AWAY

POLL_EVERY_S = 0.4
MAX_ANSWERS = 5_000
MAX_BYTES = 64 * 2**20
ON_MOVIES = -1
"""The answer is made of the catalogue's tables alone."""
ON_EVERYTHING = -2
"""The answer is made of shows of any partition."""

_STANDS_WITHOUT_DATABASE_S = 60.0
# A show that is booked and looked at all the time is read this often at most; who asks waits for the next time.
_READ_EVERY_S = 0.05
_MAX_READING = 500

_MARKS_SQL = """
SELECT (SELECT changes FROM catalogue_changes) AS changes,
       array_agg(partition) AS partitions, array_agg(ARRAY[epoch, next_offset]) AS heads FROM partitions
"""

_log = structlog.get_logger()


class Found(NamedTuple):
    """What was read to answer a call."""

    body: bytes
    made_of: int
    """ON_MOVIES, ON_EVERYTHING, or the partition of the one show that it is about."""
    lasts_s: float = math.inf
    """Seconds until the clock alone changes it."""


class Answer(NamedTuple):
    """An answer that is kept, and what has to be the case for it to stand."""

    body: bytes
    etag: bytes
    made_of: int
    show_id: int
    own: int
    mark: object
    told: int
    read_at: float
    until: float


Key = Hashable
Read = Callable[[], Awaitable[Found]]


class CatalogueMemory:
    """Answers by key. `told`: show → the newest offset that this gateway heard of being decided about it."""

    def __init__(self, pool: Any, told: Mapping[int, int]) -> None:
        self._pool = pool
        self._told = told
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0
        self._marks: dict[int, object] = {}
        self._own = 0
        self._asked_at = -math.inf
        self._asking = asyncio.Lock()
        self._reading: dict[Key, _Reading] = {}

    async def answer(self, key: Key, read: Read, show_id: int = 0) -> Answer:
        """The answer under this key, read if it has to be: once, for all who ask meanwhile.

        `show_id`: the one show that it is about. Raises what `read` raises, or Problem `overloaded`.
        """
        known = self.at_hand(key)
        if known is not None:
            return known
        known = self._answers.get(key)
        reading = self._reading.get(key)
        if reading is None or not reading.sees(self._own, self._marks, self._told.get(show_id, -1)):
            if len(self._reading) >= _MAX_READING:
                raise Problem("overloaded", "Too many ask at once; try again in a moment.", retry_after_s=1)
            pause_s = 0.0 if known is None else known.read_at + _READ_EVERY_S - _now()
            reading = self._reading[key] = _Reading()
            reading.task = asyncio.create_task(self._read(key, read, show_id, pause_s, reading))
        return await asyncio.shield(reading.task)

    def at_hand(self, key: Key) -> Answer | None:
        """The answer under this key where it stands as it is."""
        known = self._answers.get(key)
        if known is None or not self._stands(known):
            return None
        self._answers.move_to_end(key)
        return known

    def changed_here(self) -> None:
        """Something was changed through this gateway: nothing read before counts any more."""
        self._own += 1

    async def refresh(self) -> None:
        """Asks once what has changed anywhere."""
        async with self._asking:  # one after the other, so that an older answer never comes last
            row = await self._pool.fetchrow(_MARKS_SQL)
            catalogue = row["changes"]
            heads = zip(row["partitions"] or (), row["heads"] or (), strict=True)
            marks: dict[int, object] = {partition: (catalogue, *head) for partition, head in heads}
            marks[ON_EVERYTHING] = (catalogue, tuple(sorted(marks.items())))
            marks[ON_MOVIES] = catalogue
            if marks != self._marks:
                self._marks = marks
            self._asked_at = _now()

    async def watch(self) -> None:
        """Asks for ever."""
        failing = False
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            try:
                await self.refresh()
                failing = False
            except (*AWAY, asyncpg.PostgresError) as error:
                if not failing:
                    _log.warning(
                        "changes of the catalogue cannot be read", error=str(error) or type(error).__name__
                    )
                failing = True

    def _stands(self, answer: Answer) -> bool:
        now = _now()
        return (
            answer.own == self._own
            and answer.mark == _mark(self._marks, answer.made_of)
            and answer.told == self._told.get(answer.show_id, -1)
            and now < answer.until
            and now < self._asked_at + _STANDS_WITHOUT_DATABASE_S
        )

    async def _read(
        self, key: Key, read: Read, show_id: int, pause_s: float, reading: _Reading
    ) -> Answer:
        try:
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            own, marks, told, now = self._own, self._marks, self._told.get(show_id, -1), _now()
            reading.begin(own, marks, told)
            found = await read()
            answer = Answer(
                body=found.body,
                etag=etag_of(found.body),
                made_of=found.made_of,
                show_id=show_id,
                own=own,
                mark=_mark(marks, found.made_of),
                told=told,
                read_at=now,
                until=now + found.lasts_s,
            )
            self._keep(key, answer)
            return answer
        finally:
            if self._reading.get(key) is reading:
                del self._reading[key]

    def _keep(self, key: Key, answer: Answer) -> None:
        before = self._answers.pop(key, None)
        if before is not None:
            self._bytes -= len(before.body)
            if before.read_at > answer.read_at:  # a reading that was begun later has come first
                answer = before
        self._answers[key] = answer
        self._bytes += len(answer.body)
        while len(self._answers) > MAX_ANSWERS or self._bytes > MAX_BYTES:
            self._bytes -= len(self._answers.popitem(last=False)[1].body)


class _Reading:
    """An answer that is being read, for all who may share it."""

    def __init__(self) -> None:
        self._seen: tuple[int, object, int] | None = None
        self._task: asyncio.Task[Answer] | None = None

    @property
    def task(self) -> asyncio.Task[Answer]:
        assert self._task is not None
        return self._task

    @task.setter
    def task(self, task: asyncio.Task[Answer]) -> None:
        self._task = task
        # Who waited for it may have gone: then nobody is left to look at what went wrong.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def begin(self, own: int, marks: object, told: int) -> None:
        self._seen = (own, marks, told)

    def sees(self, own: int, marks: object, told: int) -> bool:
        """Whether what is known now will be in it: it has not begun, or nothing has moved since."""
        if self._seen is None:
            return True
        return self._seen[0] == own and self._seen[1] is marks and self._seen[2] == told


def _mark(marks: Mapping[int, object], made_of: int) -> object:
    # A partition that no worker has taken yet has no row.
    return marks[made_of] if made_of in marks else marks.get(ON_MOVIES)


def _now() -> float:
    return asyncio.get_running_loop().time()
