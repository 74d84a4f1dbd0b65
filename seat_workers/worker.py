"""The loop of a seat worker: poll, decide, commit, publish.

All records that have arrived, on all partitions, make one batch. While a batch commits, the next one is decided on
top of it, if it is at least as large; a smaller one waits for more records, since each commit has a fixed cost. When
a commit is refused, what was decided on top of it is dropped and decided again; see recovery.py. Nothing is
published before its commit has returned. While a big show is being loaded, its partition is blocked and the records
of that partition stay queued in order; the other partitions go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import structlog

from runtime.log import LogUnavailable, Reader, Record, WrongLog
from seat_workers.backlog import Backlog, DecodedRecord
from seat_workers.batch import Batch
from seat_workers.command_ids import RecentCommandIds
from seat_workers.commit import commit_with_retries, read_with_retries
from seat_workers.decider import CommandFailed, Decider, OwnedPartition, decode_record
from seat_workers.fold import DecidedRecord
from seat_workers.ledger import Ledger, PartitionState, Refused
from seat_workers.publisher import Publisher
from seat_workers.recovery import NotCommitted, Recovery
from seat_workers.show_cache import ShowCache
from seat_workers.timers import Timers

log = structlog.get_logger()

MAX_RECORDS = 500
"""Records of one partition in one batch, so that a storm on one show does not delay the others."""

_POLL_TIMEOUT_S = 0.25
_POLL_TIMEOUT_WHILE_BLOCKED_S = 0.01
_MAX_UNPUBLISHED_BATCHES = 4
_REPUBLISH_PAGE = 500
_REVOKE_TIMEOUT_S = 5.0


class SeatWorker:
    """The single writer of every show on the partitions that are assigned to it."""

    def __init__(self, ledger: Ledger, publisher: Publisher, timers: Timers, name: str) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._timers = timers
        self._name = name
        self._cache = ShowCache(ledger)
        self._backlog = Backlog()
        self._recent_ids = RecentCommandIds()
        self._decider = Decider(self._cache, self._recent_ids)
        self._recovery = Recovery(ledger, self._decider, self._recent_ids)
        self._owned: dict[int, OwnedPartition] = {}
        self._revoked: dict[int, OwnedPartition] = {}
        """Partitions that were revoked in order. Most come back when the group has settled: their shows are kept."""
        self._published: dict[int, int] = {}
        """Partition → the offset before which everything is published."""
        self._commit_task: asyncio.Task[None] | None = None
        self._in_flight: Batch | None = None
        """The batch of the commit task."""
        self.batches_ahead = 0
        """Batches that were decided while the one before was being committed."""
        self._committed: list[Batch] = []
        """Batches whose ended bookings are still in memory."""
        self._to_publish: asyncio.Queue[Batch] = asyncio.Queue(_MAX_UNPUBLISHED_BATCHES)

    @property
    def shows_in_memory(self) -> int:
        return self._cache.shows

    async def run(
        self,
        reader: Reader,
        stop: asyncio.Event,
        *,
        on_ready: Callable[[], None] = lambda: None,
        has_successor: Callable[[], bool] = lambda: False,
    ) -> None:
        """Works until `stop`, then finishes what is in flight and releases the partitions.

        `on_ready` is called once the group has given this worker its partitions, or none. With a successor the worker
        keeps its place in the group.
        """
        ready = False
        background = [
            asyncio.create_task(self._publish_committed(), name="publisher"),
            asyncio.create_task(self._timers.run(), name="timers"),
        ]
        try:
            while not stop.is_set():
                for task in background:
                    if task.done():
                        await task
                await self._run_once(reader)
                if not ready and reader.in_group:
                    ready = True
                    on_ready()
        finally:
            await reader.close(leave=not has_successor())
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    # --- the loop: poll, decide, commit, publish ---

    async def _run_once(self, reader: Reader) -> None:
        blocked = self._cache.blocked_partitions()
        wait_s = _POLL_TIMEOUT_WHILE_BLOCKED_S if blocked else _POLL_TIMEOUT_S
        if self._backlog.ready(blocked):
            wait_s = 0.0
        try:
            arrived = await reader.poll(max_records=MAX_RECORDS, wait_s=wait_s)
        except LogUnavailable as error:
            log.warning("log_poll_failed", error=str(error))
            await asyncio.sleep(_POLL_TIMEOUT_S)
            return
        backlog_full = self._enqueue(arrived, reader)
        if commit := self._commit_to_wait_for(blocked):
            await asyncio.wait({commit}, timeout=_POLL_TIMEOUT_S)
            return
        try:
            if records := self._next_records():
                await self._decide_and_commit(records)
            elif self._commit_task is not None and self._commit_task.done():
                await self._finish_commit()
            elif backlog_full:
                await asyncio.sleep(_POLL_TIMEOUT_WHILE_BLOCKED_S)
        except (NotCommitted, CommandFailed) as failure:
            await self._recover(failure, reader)

    def _enqueue(self, arrived: Mapping[int, Sequence[Record]], reader: Reader) -> bool:
        """Adds records to the backlog. Returns whether some were left in the log because it is full."""
        full = False
        for partition, records in arrived.items():
            if partition not in self._owned:
                continue
            if self._backlog.has_room(partition):
                self._backlog.add(partition, [(record, decode_record(record)) for record in records])
            else:
                full = True
                reader.seek(partition, records[0].offset)
        return full

    def _commit_to_wait_for(self, blocked: Container[int]) -> asyncio.Task[None] | None:
        """The commit in flight, if fewer records are queued than it has: more join them before it returns."""
        task, batch = self._commit_task, self._in_flight
        if task is None or batch is None or task.done():
            return None
        return task if 0 < self._backlog.ready(blocked) < len(batch.decided) else None

    def _next_records(self) -> list[DecodedRecord]:
        """The records of the next batch: all that can be decided, or one while recovery commits them singly."""
        blocked = self._cache.blocked_partitions()
        if self._recovery.single_commits:
            return self._backlog.take_one(blocked)
        return self._backlog.take(MAX_RECORDS, blocked)

    async def _decide_and_commit(self, records: list[DecodedRecord]) -> None:
        for batch in self._committed:
            ended = [(at.partition, booking) for booking, at in batch.net.ended()]
            self._cache.forget_ended(ended)
        self._committed.clear()
        commands = [(record.partition, command) for record, command in records if command is not None]
        needed = {(partition, command.show_id) for partition, command in commands}
        uncommitted = self._in_flight.shows if self._in_flight else ()
        self._cache.trim(needed | {(row.partition, row.show_id) for row in uncommitted})
        blocked = await read_with_retries(lambda: self._cache.load_for(commands))
        self._backlog.requeue([one for one in records if one[0].partition in blocked])
        records = [one for one in records if one[0].partition not in blocked]
        if not records:
            return
        self.batches_ahead += self._commit_task is not None and not self._commit_task.done()
        batch = self._decider.decide(records, self._owned, self._published)
        # Also for shows that did not change: a refused batch may have set their timers otherwise.
        for partition, show_id in needed:
            show = self._cache.find(partition, show_id)
            if show is not None and partition not in blocked:
                self._timers.update(partition, show)
        try:
            await self._finish_commit()
        except NotCommitted:
            self._decider.undo(batch)
            raise
        self._in_flight = batch
        self._commit_task = asyncio.create_task(self._commit(batch), name="commit")
        if self._recovery.single_commits:
            self._recovery.single_commits -= 1
            await self._finish_commit()

    async def _commit(self, batch: Batch) -> None:
        await commit_with_retries(self._ledger, batch)
        await self._to_publish.put(batch)

    async def _finish_commit(self) -> None:
        """Waits for the commit in flight. Raises NotCommitted, with that batch undone."""
        task, batch = self._commit_task, self._in_flight
        if task is None or batch is None:
            return
        try:
            await task
        except Refused as error:
            self._decider.undo(batch)
            raise NotCommitted(batch, error) from error
        finally:
            if task.done() and not task.cancelled():
                self._commit_task = self._in_flight = None
        self._recovery.committed()
        self._committed.append(batch)

    async def _publish_committed(self) -> None:
        while True:
            batch = await self._to_publish.get()
            await self._publisher.publish(batch.decided, batch.versions_before)
            for partition, advance in batch.advances.items():
                # The batch may be from before a forced revoke; taking the partition again has published more.
                self._published[partition] = max(self._published[partition], advance.next)
            self._to_publish.task_done()

    async def _recover(self, failure: NotCommitted | CommandFailed, reader: Reader) -> None:
        """Continues after a failed batch, which is dropped from memory already; see recovery.py."""
        await self._recovery.handle(failure)
        try:
            await self._finish_commit()
        except NotCommitted as earlier:
            await self._recover(earlier, reader)
        else:
            await self._recovery.rewind(self._owned, self._backlog, reader)

    # --- partitions: called by the reader, from inside poll and close ---

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Takes partitions: raises their epochs, publishes what the previous owner may not have published.

        One that this worker had before, and that nobody has taken since, goes on as it was.
        """
        unchanged = await self._unchanged(partitions)
        if new := [partition for partition in partitions if partition not in unchanged]:
            await self._take(new)
        self._owned |= unchanged
        self._revoked.clear()
        await self._timers.load(partitions)
        log.info("partitions_assigned", partitions=sorted(partitions), taken=sorted(new))
        return {partition: self._owned[partition].next_offset for partition in partitions}

    async def _unchanged(self, partitions: Sequence[int]) -> dict[int, OwnedPartition]:
        """Those of these partitions whose memory is as PostgreSQL has them. Drops that of all others."""
        revoked = [partition for partition in partitions if partition in self._revoked]
        states = await self._ledger.states(revoked) if revoked else {}
        unchanged = {
            partition: known
            for partition in revoked
            if (state := states.get(partition)) is not None
            and (known := self._revoked[partition]).epoch == state.epoch
            and known.next_offset == state.next_offset
        }
        self._cache.drop_partitions((self._revoked.keys() | set(partitions)) - unchanged.keys())
        return unchanged

    async def _take(self, partitions: Sequence[int]) -> None:
        taken = await self._ledger.take(partitions, self._name)
        lost = set(partitions) - taken.keys()
        if lost:
            raise WrongLog(
                f"the database has decisions of partitions {sorted(lost)} but no row for them in the table"
                " `partitions`; restore it from a backup that is whole"
            )
        for partition, state in taken.items():
            await self._republish(partition, state)
            self._owned[partition] = OwnedPartition(state.epoch, state.next_offset, state.last_ms)
            self._published[partition] = state.next_offset

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Finishes what is in flight, then gives the partitions up. After five seconds, what is left is abandoned."""
        mine = [partition for partition in partitions if partition in self._owned]
        if not mine:
            return
        try:
            async with asyncio.timeout(_REVOKE_TIMEOUT_S):
                await self._finish_commit()
                await self._to_publish.join()
                await self._mark_published(mine)
        except Exception as error:  # of any kind: the next owner continues from what is committed
            log.warning("revoke_forced", partitions=sorted(mine), error=repr(error))
            await self._abandon_commit()
            self._cache.drop_partitions(mine)
            for partition in mine:
                del self._owned[partition]
        else:
            self._cache.cancel_loads(mine)
            self._revoked |= {partition: self._owned.pop(partition) for partition in mine}
        self._backlog.drop(mine)
        self._timers.drop(mine)
        log.info("partitions_revoked", partitions=sorted(mine))

    async def _abandon_commit(self) -> None:
        """Drops the batch in flight. The partitions' next owner finds out whether it was committed."""
        task, batch = self._commit_task, self._in_flight
        self._commit_task = self._in_flight = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if batch is not None:
            self._decider.undo(batch)

    async def _republish(self, partition: int, state: PartitionState) -> None:
        start = state.published_offset
        while start < state.next_offset:
            rows = await self._ledger.decisions(partition, start, state.next_offset, _REPUBLISH_PAGE)
            if not rows:
                break
            await self._publisher.publish([DecidedRecord.stored(partition, *row) for row in rows], {})
            start = rows[-1][0] + 1

    async def _mark_published(self, partitions: Iterable[int]) -> None:
        await self._ledger.mark_published(
            {
                partition: (self._owned[partition].epoch, self._published[partition])
                for partition in partitions
            }
        )
