"""Bugs that are planted into the real code, one at a time, to test that the simulation finds them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import msgspec

from gateway.commands.pending import PendingRequests
from schemas.wire import Reply
from seat_workers import command_ids, commit, decider, fold, publisher
from seat_workers.batch import Batch
from seat_workers.command_ids import FirstDecision, RecentCommandIds
from seat_workers.decider import Decider
from seat_workers.fold import DecidedRecord, NetChanges
from seat_workers.ledger import Fenced, PartitionState, Refused
from seat_workers.recovery import NotCommitted
from seat_workers.show_cache import ShowCache
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker
from tests.simulation.database import Database
from tests.simulation.planted_bug import Patches, PlantedBug
from tests.simulation.planted_changes import BUGS_OF_CHANGES


class _PublishesFirst(SeatWorker):
    async def _commit(self, batch: Batch) -> None:
        await self._to_publish.put(batch)
        await commit.commit_with_retries(self._ledger, batch)


class _NoEpochs(Database):
    def check_partitions(self, batch: Batch) -> None:
        for partition, advance in batch.advances.items():
            if self.partitions[partition].next_offset != advance.expected:
                raise Fenced("moved on")


class _ChecksAfterTheCommit(Database):
    def commit(self, batch: Batch) -> None:
        before = dict(self.partitions)
        try:
            super().commit(batch)
        except Fenced:
            known = {show.show_id for show in batch.shows} <= self.show_states.keys() | batch.net.opened
            if known and {b.booking_id for b, _ in batch.net.changed_bookings} <= self.bookings.keys():
                self.write(batch)
                self.partitions = before
            raise


class _MarksOneTooFar(SeatWorker):
    async def _publish_committed(self) -> None:
        while True:
            batch = await self._to_publish.get()
            await self._publisher.publish(batch.decided, batch.versions_before)
            for partition, advance in batch.advances.items():
                self._published[partition] = advance.next + 1
            self._to_publish.task_done()


class _SkipsOneRecord(SeatWorker):
    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        starts = dict(await super().assigned(partitions))
        for partition, start in starts.items():
            if start:
                starts[partition] = self._owned[partition].next_offset = start + 1
        return starts


class _DoesNotDrain(SeatWorker):
    async def revoked(self, partitions: Sequence[int]) -> None:
        mine = [partition for partition in partitions if partition in self._owned]
        for partition in mine:
            del self._owned[partition]
        self._backlog.drop(mine)
        self._cache.drop_partitions(mine)
        self._timers.drop(mine)


class _KeepsAbandonedBatch(SeatWorker):
    async def _finish_commit(self) -> None:
        task, batch = self._commit_task, self._in_flight
        if task is None or batch is None:
            return
        try:
            await task
        except Refused as error:
            self._decider.undo(batch)
            raise NotCommitted(batch, error) from error
        finally:
            if task.done():
                self._commit_task = self._in_flight = None
        self._recovery.committed()
        self._committed.append(batch)


class _DoesNotRepublish(SeatWorker):
    async def _republish(self, partition: int, state: PartitionState) -> None:
        pass


def _wall_clock() -> Patches:
    real = vars(decider)["step"]
    yield decider, "step", lambda show, command, now_ms: real(show, command, int(time.time() * 1000))


def _decides_repeats_again() -> Patches:
    yield RecentCommandIds, "find", lambda self, command_id, now_ms: None


def _wrong_gateway() -> Patches:
    real, seen = publisher.replies_of, dict[str, None]()

    def replies_of(decided: Iterable[DecidedRecord]) -> list[tuple[str, list[Reply]]]:
        replies = real(decided)
        seen.update(dict.fromkeys(gateway for gateway, _ in replies))
        others = list(seen)[-2:]
        return [
            (next((one for one in others if one != gateway), gateway), reply) for gateway, reply in replies
        ]

    yield publisher, "replies_of", replies_of


def _ignores_repeats_within_a_batch() -> Patches:
    decide, remember = Decider.decide, RecentCommandIds.remember

    def decide_without_memory(self: Decider, *given: Any) -> Batch:
        late: list[tuple[RecentCommandIds, Any, FirstDecision]] = []
        with patch.object(RecentCommandIds, "remember", lambda *one: late.append(one)):
            batch = decide(self, *given)
        for one in late:
            remember(*one)
        return batch

    yield Decider, "decide", decide_without_memory


def _unfolded() -> Patches:
    def one_by_one(batch: Iterable[DecidedRecord], seatings: Mapping[int, Any]) -> NetChanges:
        every = [fold.fold([decided], seatings) for decided in batch]
        return NetChanges(
            [row for one in every for row in one.freed],
            [row for one in every for row in one.claims],
            [row for one in every for row in one.new_bookings],
            [row for one in every for row in one.changed_bookings],
            {number for one in every for number in one.moved},
            {show for one in every for show in one.opened},
            {show for one in every for show in one.terms_changed},
            [scan for one in every for scan in one.scans],
        )

    yield decider, "fold", one_by_one


def _keeps_cache_of_a_refused_batch() -> Patches:
    def undo(self: Decider, batch: Batch) -> None:
        for one in batch.decided:
            if one.first and one.command is not None:
                self._recent_ids.forget(one.command.command_id)

    yield Decider, "undo", undo


def _keeps_cache_when_taking() -> Patches:
    yield ShowCache, "drop_partitions", lambda self, partitions: None


def _decides_while_loading() -> Patches:
    load_for = ShowCache.load_for

    async def load_without_waiting(self: ShowCache, *given: Any) -> set[int]:
        await load_for(self, *given)
        return set()

    yield ShowCache, "load_for", load_without_waiting


def _without_the_defensive_check() -> Patches:
    """Disables the defensive check of `is_before`, without which these bugs would have no effect."""
    yield FirstDecision, "is_before", lambda self, position: True


def _keeps_ids_of_a_refused_batch() -> Patches:
    yield from _without_the_defensive_check()
    yield RecentCommandIds, "forget", lambda self, command_id: None


def _takes_unknown_for_committed() -> Patches:
    async def was_committed(*given: Any) -> bool:
        return True

    yield commit, "_was_committed", was_committed


def _never_fires_timers() -> Patches:
    async def append_due(self: Timers) -> None:
        pass

    yield Timers, "append_due", append_due


def _ids_count_for_an_hour() -> Patches:
    yield command_ids, "ID_LIFETIME_MS", 3600 * 1000


def _keeps_places_in_flight() -> Patches:
    def remove(self: PendingRequests, request: Any) -> None:
        self._requests.pop(request.number, None)

    yield PendingRequests, "remove", remove


def _looks_up_wrong_position() -> Patches:
    real = PendingRequests.set_position

    def set_position(self: PendingRequests, request: Any, position: Any) -> None:
        real(self, request, msgspec.structs.replace(position, offset=max(0, position.offset - 1)))

    yield PendingRequests, "set_position", set_position


PLANTED_BUGS = (
    PlantedBug("publish before commit", ("3.",), worker=_PublishesFirst),
    PlantedBug("no epoch check", ("5.",), database=_NoEpochs),
    PlantedBug("a count checked after the commit", ("5.", "1.", "2.", "7."), database=_ChecksAfterTheCommit),
    PlantedBug("published offset one too far", ("3.",), worker=_MarksOneTooFar),
    PlantedBug("next offset one too far", ("2.", "11."), worker=_SkipsOneRecord),
    PlantedBug("expiry by wall clock", ("7.", "8."), patches=_wall_clock),
    PlantedBug("a repeat decided again", ("4.",), patches=_decides_repeats_again),
    PlantedBug("revoke without drain", ("5.",), worker=_DoesNotDrain),
    PlantedBug(
        "an abandoned batch remembered", ("4.",), _KeepsAbandonedBatch, patches=_without_the_defensive_check
    ),
    PlantedBug("reply to the wrong gateway", ("client view",), patches=_wrong_gateway),
    PlantedBug("a lost re-publish", ("3.",), worker=_DoesNotRepublish),
    PlantedBug("a repeat within one batch not seen", ("4.",), patches=_ignores_repeats_within_a_batch),
    PlantedBug("an unfolded batch", ("1.", "6."), patches=_unfolded),
    PlantedBug("cache of a refused batch kept", ("6.", "7."), patches=_keeps_cache_of_a_refused_batch),
    PlantedBug("ids of a refused batch kept", ("4.",), patches=_keeps_ids_of_a_refused_batch),
    PlantedBug("cache from before the take kept", ("6.", "7."), patches=_keeps_cache_when_taking),
    PlantedBug("a blocked partition not left out", ("7.",), patches=_decides_while_loading),
    PlantedBug(
        "an unknown outcome taken for committed",
        ("2.", "3.", "5.", "11."),
        patches=_takes_unknown_for_committed,
    ),
    PlantedBug("timers append nothing", ("8.",), patches=_never_fires_timers),
    PlantedBug("ids expire after an hour", ("4.",), patches=_ids_count_for_an_hour),
    PlantedBug("places in flight kept", ("10.",), patches=_keeps_places_in_flight),
    PlantedBug("answers looked up one offset before", ("client view",), patches=_looks_up_wrong_position),
    *BUGS_OF_CHANGES,
)
