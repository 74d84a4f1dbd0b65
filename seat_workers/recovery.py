"""Recovery of a seat worker after a refused commit.

Memory is never repaired. The worker drops what a refused batch has touched, handles the cause, and decides the same
records again from what PostgreSQL has. The cause decides what changes in the next attempt:

    Fenced                            raised: another writer has the partition, so this process ends
    IdUsed                            the first decisions on the batch's command ids are loaded; three times at most
    any other, of several commands    the same commands are committed one at a time
    any other, of one command         that command is answered `internal_error`
    the same once more                raised: PostgreSQL stores no decision at that position
    the rules raised on a command     that command is answered `internal_error`
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from runtime.log import Reader
from seat_workers.backlog import Backlog
from seat_workers.batch import Batch
from seat_workers.command_ids import RecentCommandIds
from seat_workers.commit import read_with_retries
from seat_workers.decider import CommandFailed, Decider, OwnedPartition
from seat_workers.ledger import DataRefused, Fenced, IdUsed, Ledger, Refused

log = structlog.get_logger()

_MAX_ID_LOOKUPS = 3
"""Lookups of used ids between two successful commits."""


class NotCommitted(Exception):
    """A batch that PostgreSQL has refused for certain, and that is dropped from memory already."""

    def __init__(self, batch: Batch, error: Refused) -> None:
        super().__init__(str(error))
        self.batch = batch
        self.error = error


class Recovery:
    """Handles failed batches of one worker. `single_commits`: how many commands to commit one at a time."""

    def __init__(self, ledger: Ledger, decider: Decider, recent_ids: RecentCommandIds) -> None:
        self._ledger = ledger
        self._decider = decider
        self._recent_ids = recent_ids
        self._id_lookups = 0
        self.single_commits = 0

    def committed(self) -> None:
        """Notes a successful commit: the ids that were looked up for it are in order."""
        self._id_lookups = 0
        self._decider.possibly_expired_ids.clear()

    async def handle(self, failure: NotCommitted | CommandFailed) -> None:
        """Handles the cause of a failed batch, so that it can be decided again. Raises what ends the worker."""
        if isinstance(failure, CommandFailed):
            self._decider.poisoned.add(failure.position)
            return
        batch, error = failure.batch, failure.error
        if isinstance(error, Fenced):
            raise error
        if isinstance(error, IdUsed) and self._id_lookups < _MAX_ID_LOOKUPS:
            # Nothing is wrong: memory holds the newest ids only, and older repeats are found at the commit.
            log.info("batch_requeued", cause=type(error).__name__, error=str(error))
            self._id_lookups += 1
            await self._load_used_ids(batch)
            return
        log.warning("batch_requeued", cause=type(error).__name__, error=str(error))
        if len(batch.decided) > 1:
            self.single_commits = len(batch.decided)
            self._id_lookups = 0  # each of the commands may need a lookup of its own
        else:
            self._poison(batch, error)

    def _poison(self, batch: Batch, error: Refused) -> None:
        position = batch.decided[0].position
        if position in self._decider.poisoned:
            raise DataRefused(f"PostgreSQL takes no decision at {position}: {error}")
        log.error("command_rows_refused", position=str(position), error=str(error))
        self._decider.poisoned.add(position)
        if isinstance(error, IdUsed):
            self._decider.ids_not_stored.add(position)

    async def _load_used_ids(self, batch: Batch) -> None:
        ids = [one.command.command_id for one in batch.decided if one.first and one.command is not None]
        self._decider.possibly_expired_ids.update(ids)
        for command_id, first in await read_with_retries(lambda: self._ledger.first_decisions(ids)):
            self._recent_ids.remember(command_id, first)

    async def rewind(self, owned: Mapping[int, OwnedPartition], backlog: Backlog, reader: Reader) -> None:
        """Continues all partitions from what PostgreSQL has. Raises Fenced if one has another writer."""
        states = await read_with_retries(lambda: self._ledger.states(list(owned)))
        for partition, known in owned.items():
            state = states[partition]
            if state.epoch != known.epoch:
                raise Fenced(f"partition {partition} was taken by another writer")
            known.next_offset, known.last_ms = state.next_offset, state.last_ms
            backlog.drop([partition])
            reader.seek(partition, state.next_offset)
