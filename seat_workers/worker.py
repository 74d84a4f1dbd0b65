"""The loop of a seat worker: read what has arrived, decide, commit, publish, next.

Whatever has arrived on all partitions is one batch. While it commits, the next one is read and, where it is no
smaller, decided on top of it; fewer records wait for others to join them, since a batch has a price of its own.
When a commit is refused, everything decided on top is dropped with it, loaded again and decided again. Nothing
is published before its commit has returned. A partition that waits for a big show to be loaded is left out until
that is there; its records stay in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence

import structlog

from runtime.log import LogUnavailable, Reader, Record, WrongLog
from seat_workers.backlog import Backlog, Read
from seat_workers.batch import Batch
from seat_workers.decider import CommandFailed, Decider, Owned, decoded
from seat_workers.fold import Decided
from seat_workers.follow_ups import FollowUps
from seat_workers.landing import land, patiently
from seat_workers.ledger import DataRefused, Fenced, IdUsed, Ledger, PartitionState, Refused
from seat_workers.memory import Memory
from seat_workers.publisher import Publisher
from seat_workers.recent import RecentIds

log = structlog.get_logger()

MAX_RECORDS = 500
"""Of one partition in one batch, so that a storm on one show does not delay the others."""

_WAIT_S = 0.25
_WAIT_WHILE_LOADING_S = 0.01
_UNPUBLISHED_BATCHES = 4
_REPUBLISH_PAGE = 500
_LETTING_GO_S = 5.0
_ID_SEARCHES = 3


class _NotCommitted(Exception):
    """A batch that certainly was not committed, and is dropped from memory already."""

    def __init__(self, batch: Batch, error: Refused) -> None:
        super().__init__(str(error))
        self.batch = batch
        self.error = error


class SeatWorker:
    """The single writer of every show on the partitions that it is assigned."""

    def __init__(self, ledger: Ledger, publisher: Publisher, follow_ups: FollowUps, name: str) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._follow_ups = follow_ups
        self._name = name
        self._memory = Memory(ledger)
        self._backlog = Backlog()
        self._recent = RecentIds()
        self._owned: dict[int, Owned] = {}
        self._published: dict[int, int] = {}
        self._landing: asyncio.Task[None] | None = None
        self._in_flight: Batch | None = None
        self._landed: list[Batch] = []
        self._to_publish: asyncio.Queue[Batch] = asyncio.Queue(_UNPUBLISHED_BATCHES)
        self._decider = Decider(self._memory, self._recent)
        self._one_by_one = 0
        """How many more commands to commit one at a time, after PostgreSQL has refused a batch."""
        self._id_searches = 0

    @property
    def shows_in_memory(self) -> int:
        return self._memory.shows

    async def run(self, reader: Reader, stop: asyncio.Event) -> None:
        """Works until `stop`, then finishes what is in flight and gives the partitions back."""
        beside = [
            asyncio.create_task(self._publish_landed(), name="publishing"),
            asyncio.create_task(self._follow_ups.run(), name="follow-ups"),
        ]
        try:
            while not stop.is_set():
                for task in beside:
                    if task.done():
                        await task
                await self._turn(reader)
        finally:
            await reader.close()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    # --- partitions come and go: called by the reader, from inside poll and close ---

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Takes partitions: raises their epochs, publishes what a predecessor may not have published."""
        taken = await self._ledger.take(partitions, self._name)
        lost = set(partitions) - taken.keys()
        if lost:
            raise WrongLog(
                f"the database has decisions of partitions {sorted(lost)} but no row for them in the table"
                " `partitions`; restore it from a backup that is whole"
            )
        self._memory.drop_partitions(taken.keys())
        for partition, state in taken.items():
            await self._republish(partition, state)
            self._owned[partition] = Owned(state.epoch, state.next_offset, state.last_ms)
            self._published[partition] = state.next_offset
        await self._follow_ups.find(taken.keys())
        log.info("partitions taken", partitions=sorted(taken))
        return {partition: state.next_offset for partition, state in taken.items()}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Finishes what is in flight, then lets go."""
        mine = [partition for partition in partitions if partition in self._owned]
        if not mine:
            return
        try:
            async with asyncio.timeout(_LETTING_GO_S):
                await self._settle()
                await self._to_publish.join()
                await self._mark_published(mine)
        except Exception as error:  # whatever it is, the next owner continues from what is committed
            log.warning("partitions let go in haste", error=repr(error))
            await self._abandon()
        for partition in mine:
            del self._owned[partition]
        self._backlog.drop(mine)
        self._memory.drop_partitions(mine)
        self._follow_ups.drop(mine)
        log.info("partitions let go", partitions=sorted(mine))

    # --- one turn: read, decide, commit ---

    async def _turn(self, reader: Reader) -> None:
        held_up = self._memory.held_up()
        wait_s = _WAIT_WHILE_LOADING_S if held_up else _WAIT_S
        if self._backlog.ready(held_up):
            wait_s = 0.0
        try:
            arrived = await reader.poll(max_records=MAX_RECORDS, wait_s=wait_s)
        except LogUnavailable as error:
            log.warning("the log does not answer", error=str(error))
            await asyncio.sleep(_WAIT_S)
            return
        left_in_the_log = self._receive(arrived, reader)
        if commit := self._to_end_first(held_up):
            await asyncio.wait({commit}, timeout=_WAIT_S)
            return
        try:
            if portion := self._next_portion():
                await self._decide_and_land(portion)
            elif self._landing is not None and self._landing.done():
                await self._settle()
            elif left_in_the_log:
                await asyncio.sleep(_WAIT_WHILE_LOADING_S)
        except _NotCommitted as failure:
            await self._recover(failure, reader)
        except CommandFailed as failure:
            self._decider.poisoned.add(failure.position)
            await self._go_back(reader)

    def _receive(self, arrived: Mapping[int, Sequence[Record]], reader: Reader) -> bool:
        """Puts what has arrived into the backlog. Returns whether there was no room for some of it."""
        no_room = False
        for partition, records in arrived.items():
            if partition not in self._owned:
                continue
            if self._backlog.has_room(partition):
                self._backlog.add(partition, [(record, decoded(record)) for record in records])
            else:
                no_room = True
                reader.seek(partition, records[0].offset)
        return no_room

    def _to_end_first(self, held_up: Container[int]) -> asyncio.Task[None] | None:
        """The commit in flight, if there is less to decide than it has: others will join, and all would wait for it."""
        landing, batch = self._landing, self._in_flight
        if landing is None or batch is None or landing.done():
            return None
        return landing if 0 < self._backlog.ready(held_up) < len(batch.decided) else None

    def _next_portion(self) -> list[Read]:
        """What is decided next: whatever can be, or, after PostgreSQL has refused a batch, one command alone."""
        held_up = self._memory.held_up()
        if self._one_by_one:
            return self._backlog.take_one(held_up)
        return self._backlog.take(MAX_RECORDS, held_up)

    async def _decide_and_land(self, read: list[Read]) -> None:
        for batch in self._landed:
            ended = [(at.partition, booking) for booking, at in batch.net.ended()]
            self._memory.forget_ended(ended)
        self._landed.clear()
        asked = [(record.partition, command) for record, command in read if command is not None]
        needed = {(partition, command.show_id) for partition, command in asked}
        uncommitted = self._in_flight.shows if self._in_flight else ()
        self._memory.trim(needed | {(row.partition, row.show_id) for row in uncommitted})
        held_up = await patiently(lambda: self._memory.load_for(asked))
        self._backlog.put_back([one for one in read if one[0].partition in held_up])
        read = [one for one in read if one[0].partition not in held_up]
        if not read:
            return
        batch = self._decider.decide(read, self._owned, self._published)
        # Of every show that was asked for, changed or not: a refused batch may have said otherwise before.
        for partition, show_id in needed:
            show = self._memory.find(partition, show_id)
            if show is not None and partition not in held_up:
                self._follow_ups.note(partition, show)
        try:
            await self._settle()
        except _NotCommitted:
            self._decider.undo(batch)
            raise
        self._in_flight = batch
        self._landing = asyncio.create_task(self._land(batch), name="commit")
        if self._one_by_one:
            self._one_by_one -= 1
            await self._settle()

    # --- commit, publish ---

    async def _land(self, batch: Batch) -> None:
        await land(self._ledger, batch)
        await self._to_publish.put(batch)

    async def _settle(self) -> None:
        """Waits for the commit in flight. Raises _NotCommitted, with that batch undone."""
        landing, batch = self._landing, self._in_flight
        if landing is None or batch is None:
            return
        try:
            await landing
        except Refused as error:
            self._decider.undo(batch)
            raise _NotCommitted(batch, error) from error
        finally:
            if landing.done() and not landing.cancelled():
                self._landing = self._in_flight = None
        self._id_searches = 0
        self._decider.maybe_outdated.clear()
        self._landed.append(batch)

    async def _abandon(self) -> None:
        """Forgets the batch in flight: whether it was committed is for the partitions' next owner to see."""
        landing, batch = self._landing, self._in_flight
        self._landing = self._in_flight = None
        if landing is not None:
            landing.cancel()
            await asyncio.gather(landing, return_exceptions=True)
        if batch is not None:
            self._decider.undo(batch)

    async def _publish_landed(self) -> None:
        while True:
            batch = await self._to_publish.get()
            await self._publisher.publish(batch.decided, batch.versions_before)
            for partition, advance in batch.advances.items():
                # A batch from before the partition was let go of in haste: taking it again has published more.
                self._published[partition] = max(self._published[partition], advance.next)
            self._to_publish.task_done()

    async def _republish(self, partition: int, state: PartitionState) -> None:
        start = state.published_offset
        while start < state.next_offset:
            rows = await self._ledger.decisions(partition, start, state.next_offset, _REPUBLISH_PAGE)
            if not rows:
                break
            await self._publisher.publish([Decided.stored(partition, *row) for row in rows], {})
            start = rows[-1][0] + 1

    async def _mark_published(self, partitions: Iterable[int]) -> None:
        await self._ledger.mark_published(
            {
                partition: (self._owned[partition].epoch, self._published[partition])
                for partition in partitions
            }
        )

    # --- when a commit was refused ---

    async def _recover(self, failure: _NotCommitted, reader: Reader) -> None:
        """Sees to why a batch was refused, and goes back to decide it again."""
        error, batch = failure.error, failure.batch
        if isinstance(error, Fenced):
            raise error
        # A repeat of a command that is no longer in memory is found by its id at the commit: nothing is wrong then.
        note = log.info if isinstance(error, IdUsed) and self._id_searches < _ID_SEARCHES else log.warning
        note("a batch is decided again", why=type(error).__name__, error=str(error))
        if isinstance(error, IdUsed) and self._id_searches < _ID_SEARCHES:
            self._id_searches += 1
            await self._remember_used_ids(batch)
        elif len(batch.decided) > 1:
            self._one_by_one = len(batch.decided)
            self._id_searches = 0  # each of them may be looked for once more
        else:
            position = batch.decided[0].position
            if position in self._decider.poisoned:
                raise DataRefused(f"PostgreSQL takes no decision at {position}: {error}")
            log.error("PostgreSQL refuses a command's rows", position=str(position), error=str(error))
            self._decider.poisoned.add(position)
            if isinstance(error, IdUsed):
                self._decider.nameless.add(position)
        await self._go_back(reader)

    async def _remember_used_ids(self, batch: Batch) -> None:
        ids = [one.command.command_id for one in batch.decided if one.first and one.command is not None]
        self._decider.maybe_outdated.update(ids)
        for command_id, first in await patiently(lambda: self._ledger.first_decisions(ids)):
            self._recent.remember(command_id, first)

    async def _go_back(self, reader: Reader) -> None:
        """Continues from what PostgreSQL has. Raises Fenced when a partition is not ours any more."""
        try:
            await self._settle()
        except _NotCommitted as failure:
            await self._recover(failure, reader)
            return
        states = await patiently(lambda: self._ledger.states(list(self._owned)))
        for partition, owned in self._owned.items():
            state = states[partition]
            if state.epoch != owned.epoch:
                raise Fenced(f"partition {partition} was taken by another writer")
            owned.next_offset, owned.last_ms = state.next_offset, state.last_ms
            self._backlog.drop([partition])
            reader.seek(partition, state.next_offset)
