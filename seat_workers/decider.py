"""Decides batches: takes records, returns decisions and their net changes, and updates the shows in memory.

Nothing here waits for I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec
import structlog

from runtime.log import Record, WrongLog
from schemas.commands import Command
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import decode_command, encode
from seat_workers.batch import Advance, Batch, ShowRow
from seat_workers.command_ids import ID_LIFETIME_MS, FirstDecision, RecentCommandIds
from seat_workers.fold import DecidedRecord, fold
from seat_workers.show import step
from seat_workers.show_cache import ShowCache
from seat_workers.show_state import Show

log = structlog.get_logger()


class CommandFailed(Exception):
    """The rules raised on a command, which is a bug. The command is answered `internal_error`, the others go on."""

    def __init__(self, position: Position) -> None:
        super().__init__(str(position))
        self.position = position


class OwnedPartition(msgspec.Struct):
    """An assigned partition, as far as it is decided, which may be ahead of what is committed."""

    epoch: int
    next_offset: int
    last_ms: int


class Decider:
    """Decides commands in log order against the shows in memory."""

    def __init__(self, cache: ShowCache, recent_ids: RecentCommandIds) -> None:
        self._cache = cache
        self._recent_ids = recent_ids
        self.poisoned: set[Position] = set()
        """Positions of commands that are answered `internal_error` without being decided."""
        self.ids_not_stored: set[Position] = set()
        """Positions of commands whose id cannot be stored as used."""
        self.possibly_expired_ids: set[UUID] = set()
        """Command ids that PostgreSQL may still have although they have expired."""

    def decide(
        self,
        records: list[tuple[Record, Command | None]],
        owned_partitions: Mapping[int, OwnedPartition],
        published: Mapping[int, int],
    ) -> Batch:
        """Decides records in the order given. Returns the batch; the shows in memory are then as after it.

        Raises CommandFailed when the rules raise on one; what this call has changed in memory is then dropped.
        """
        decided: list[DecidedRecord] = []
        shows: dict[tuple[int, int], Show] = {}
        versions_before: dict[int, int] = {}
        expected_offsets: dict[int, int] = {}
        try:
            for record, command in records:
                owned = owned_partitions[record.partition]
                if record.offset != owned.next_offset:
                    raise WrongLog(
                        f"partition {record.partition} of the log continues at offset {record.offset} instead of"
                        f" {owned.next_offset}: records are missing. Restore the log, or the"
                        " database from a backup of the same moment"
                    )
                expected_offsets.setdefault(record.partition, owned.next_offset)
                now_ms = max(record.at_ms, owned.last_ms)
                one = self._decide_one(record, command, now_ms)
                decided.append(one)
                owned.next_offset, owned.last_ms = record.offset + 1, now_ms
                if one.decision.events and command is not None:
                    show = self._cache.find(record.partition, command.show_id)
                    assert show is not None, "events come from shows"
                    shows[record.partition, show.show_id] = show
                    versions_before.setdefault(show.show_id, show.version)
                    show.version = record.offset
        except BaseException:
            self._forget(decided)
            raise
        finally:
            self._cache.drop_borrowed()
        return Batch(
            advances={
                partition: _advance(owned_partitions[partition], expected, published[partition])
                for partition, expected in expected_offsets.items()
            },
            decided=decided,
            net=fold(decided, {show.show_id: show.seating for show in shows.values()}),
            shows=[
                _show_row(partition, show) for (partition, _), show in sorted(shows.items(), key=_show_id)
            ],
            versions_before=versions_before,
            expired_ids=self._expired_ids(decided) if self.possibly_expired_ids else (),
        )

    def _decide_one(self, record: Record, command: Command | None, now_ms: int) -> DecidedRecord:
        position = Position(record.partition, record.offset)
        if command is None:
            decision, first = Decision(Reason.MALFORMED), False
        elif (known := self._recent_ids.find(command.command_id, now_ms)) is not None and known.is_before(
            position
        ):
            decision, first = known.answer_to(command), False
        else:
            decision, first = self._decide_new(position, command, now_ms), position not in self.ids_not_stored
        answer = encode(decision)
        if first and command is not None:
            self._recent_ids.remember(
                command.command_id, FirstDecision(position, now_ms, record.body, answer)
            )
        return DecidedRecord(position, now_ms, record.body, command, decision, answer, first)

    def _decide_new(self, position: Position, command: Command, now_ms: int) -> Decision:
        if position in self.poisoned:
            log.error("poisoned_command_skipped", position=str(position), show_id=command.show_id)
            return Decision(Reason.INTERNAL_ERROR)
        show = self._cache.find(position.partition, command.show_id)
        if show is None:
            return Decision(Reason.NOT_FOUND)
        try:
            return step(show, command, now_ms)
        except Exception as error:
            self._cache.drop([(position.partition, command.show_id)])
            log.exception("rules_raised", position=str(position), show_id=command.show_id)
            raise CommandFailed(position) from error

    def _expired_ids(self, decided: Iterable[DecidedRecord]) -> list[tuple[UUID, int]]:
        """The expired ids that this batch uses anew, each with the log time in ms since which a use counts.

        An id is deleted in the same commit as its new use, not before: until then, repeats of its first use may
        precede the new use in the log.
        """
        return [
            (one.command.command_id, one.at_ms - ID_LIFETIME_MS)
            for one in decided
            if one.first and one.command is not None and one.command.command_id in self.possibly_expired_ids
        ]

    def undo(self, batch: Batch) -> None:
        """Drops from memory what a batch that was not committed has changed."""
        self._cache.drop([(show.partition, show.show_id) for show in batch.shows])
        self._forget(batch.decided)

    def _forget(self, decided: Iterable[DecidedRecord]) -> None:
        for one in decided:
            if one.command is not None:
                self._cache.drop([(one.position.partition, one.command.show_id)])
                if one.first:
                    self._recent_ids.forget(one.command.command_id)


def _advance(owned: OwnedPartition, expected: int, published: int) -> Advance:
    return Advance(owned.epoch, expected, owned.next_offset, published, owned.last_ms)


def decode_record(record: Record) -> Command | None:
    """The command in a record; None, with an error in the process log, when the record is not a command."""
    try:
        command: Command = decode_command(record.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.error("record_malformed", position=f"{record.partition}-{record.offset}", error=str(error))
        return None
    return command


def _show_row(partition: int, show: Show) -> ShowRow:
    assert show.status is not None
    return ShowRow(show.show_id, partition, show.status, show.terms, show.version, show.available)


def _show_id(item: tuple[tuple[int, int], Show]) -> int:
    return item[0][1]
