"""The simulated PostgreSQL: the tables of the writers and the notifier, and `commit_batch`.

It is as strict about counts as the SQL function, in the same order, and as atomic: a refused batch writes nothing. The
tables are described in schemas/sql/.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.ids import Position
from schemas.seating import Seating
from seat_workers.batch import Batch, ShowRow
from seat_workers.command_ids import FirstDecision
from seat_workers.compact.stored_show import BlockedColumns, BookingColumns, StoredShow
from seat_workers.fold import Claim, DoorScan
from seat_workers.ledger import DataRefused, Fenced, IdUsed, PartitionState, ShowSize, Unavailable


class DecisionRow(msgspec.Struct, frozen=True):
    """A row of `decisions`."""

    at_ms: int
    command: bytes
    answer: bytes


class ShowStateRow(msgspec.Struct, frozen=True):
    """A row of `show_states`."""

    partition: int
    status: ShowStatus
    terms: Terms
    version: int
    available: int


class Database:
    """All tables. Each method is one transaction."""

    def __init__(self) -> None:
        self.layouts: dict[str, Seating] = {}
        self.partition_of_show: dict[int, int] = {}
        self.partitions: dict[int, PartitionState] = {}
        self.show_states: dict[int, ShowStateRow] = {}
        self.claims: dict[tuple[int, int], Claim] = {}
        self.bookings: dict[UUID, tuple[Booking, Position]] = {}
        self.decisions: dict[Position, DecisionRow] = {}
        self.command_ids: dict[UUID, tuple[Position, int]] = {}
        self.check_ins: dict[Position, DoorScan] = {}
        self.deliveries: dict[tuple[str, str], UUID | None] = {}
        self.reminders: set[UUID] = set()
        """Bookings that have reminders."""
        self.consumer_offsets: dict[int, int] = {}
        self.full = False
        """The disk is full, so nothing can be committed."""
        self.refused_seat: tuple[int, int] | None = None
        """A seat (show, index) that a constraint refuses."""

    def take(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        decided = {position.partition for position in self.decisions}
        taken = {}
        for partition in partitions:
            state = self.partitions.get(partition)
            if state is None and partition in decided:
                continue
            state = state or PartitionState(0, 0, 0, 0)
            taken[partition] = msgspec.structs.replace(state, epoch=state.epoch + 1)
        self.partitions.update(taken)
        return taken

    def states(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        return {p: self.partitions[p] for p in partitions if p in self.partitions}

    def mark_published(self, advances: Mapping[int, tuple[int, int]]) -> None:
        for partition, (epoch, published) in advances.items():
            state = self.partitions.get(partition)
            if state is not None and state.epoch == epoch and state.published_offset < published:
                self.partitions[partition] = msgspec.structs.replace(state, published_offset=published)

    def show_sizes(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[ShowSize]:
        return [
            ShowSize(
                show_id,
                row.partition,
                row.terms.layout_digest,
                len(self.layouts[row.terms.layout_digest]) - row.available,
            )
            for show_id in show_ids
            if (row := self.show_states.get(show_id)) is not None and row.partition in partitions
        ]

    def shows(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[StoredShow]:
        return [
            StoredShow(
                one.show_id,
                one.partition,
                (row := self.show_states[one.show_id]).status,
                row.terms,
                row.version,
                row.available,
                self._booking_columns(one.show_id),
                self._blocked_columns(one.show_id),
            )
            for one in self.show_sizes(show_ids, partitions)
        ]

    def _booking_columns(self, show_id: int) -> BookingColumns:
        """Reads bookings from one table and seats from another, as the real ledger does."""
        rows = sorted(self.live_bookings([show_id]), key=lambda booking: booking.booking_id)
        claimed = sorted(
            (claim.booking_id, seat)
            for seat, claim in self._claims_of(show_id)
            if claim.booking_id is not None
        )
        columns = BookingColumns.of(rows, self.layouts[self.show_states[show_id].terms.layout_digest])
        return msgspec.structs.replace(columns, seats=array("I", [seat for _, seat in claimed]))

    def _blocked_columns(self, show_id: int) -> BlockedColumns:
        blocks = sorted(
            [one for one in self._claims_of(show_id) if one[1].state == "b"], key=lambda one: one[0]
        )
        return BlockedColumns(
            array("I", [seat for seat, _ in blocks]),
            array("q", [claim.release_ms or 0 for _, claim in blocks]),
            [claim.code for _, claim in blocks],
        )

    def _claims_of(self, show_id: int) -> list[tuple[int, Claim]]:
        return [(seat, claim) for (of_show, seat), claim in self.claims.items() if of_show == show_id]

    def live_bookings(self, show_ids: Sequence[int]) -> list[Booking]:
        return [b for b, _ in self.bookings.values() if b.show_id in show_ids and b.status.live]

    def bookings_by_id(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        return [self.bookings[one][0] for one in booking_ids if one in self.bookings]

    def first_decisions(self, command_ids: Sequence[UUID]) -> list[tuple[UUID, FirstDecision]]:
        found = []
        for command_id in command_ids:
            if command_id in self.command_ids:
                position, _ = self.command_ids[command_id]
                row = self.decisions[position]
                found.append((command_id, FirstDecision(position, row.at_ms, row.command, row.answer)))
        return found

    def decided(
        self, partition: int, start: int, end: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes]]:
        offsets = [offset for offset in range(start, end) if Position(partition, offset) in self.decisions]
        rows = [(offset, self.decisions[Position(partition, offset)]) for offset in offsets[:limit]]
        return [(offset, row.at_ms, row.command, row.answer) for offset, row in rows]

    def held(self, partitions: Sequence[int]) -> list[tuple[int, int, int]]:
        """Shows with holds or blocks that end, as (partition, show, first expiry or release in ms)."""
        ends = [
            (claim.release_ms, show_id)
            for (show_id, _), claim in self.claims.items()
            if claim.release_ms is not None
        ]
        for booking, _ in self.bookings.values():
            if booking.status is BookingStatus.HELD:
                assert booking.expires_ms is not None
                ends.append((booking.expires_ms, booking.show_id))
        due: dict[tuple[int, int], int] = {}
        for due_ms, show_id in sorted(ends):
            partition = self.show_states[show_id].partition
            if partition in partitions:
                due.setdefault((partition, show_id), due_ms)
        return [(*key, due_ms) for key, due_ms in due.items()]

    def cancelled(self, partitions: Sequence[int]) -> list[tuple[int, int]]:
        """Cancelled shows that still have bookings, as (partition, show)."""
        live = {booking.show_id for booking, _ in self.bookings.values() if booking.status.live}
        return [
            (row.partition, show_id)
            for show_id, row in self.show_states.items()
            if row.status is ShowStatus.CANCELLED and row.partition in partitions and show_id in live
        ]

    def commit(self, batch: Batch) -> None:
        """Commits a batch as `commit_batch` does. Raises a kind of Refused, having written nothing."""
        if self.full:
            raise Unavailable("no room on the disk")
        self.check_partitions(batch)
        self._check_decisions(batch)
        self._check_claims_and_bookings(batch)
        self._check_shows(batch)
        _require(
            self.check_ins.keys().isdisjoint({scan.position for scan in batch.net.scans}), "check_ins_pkey"
        )
        self.write(batch)

    def check_partitions(self, batch: Batch) -> None:
        for partition, advance in batch.advances.items():
            state = self.partitions.get(partition)
            if state is None or (state.epoch, state.next_offset) != (advance.epoch, advance.expected):
                raise Fenced(f"partition {partition} has another owner")

    def _check_decisions(self, batch: Batch) -> None:
        _require(
            {one.position for one in batch.decided}.isdisjoint(self.decisions)
            and len({one.position for one in batch.decided}) == len(batch.decided),
            "decisions_pkey",
        )
        used: set[UUID] = set()
        counts_from_ms = dict(batch.expired_ids)
        for one in batch.decided:
            if not one.first or one.command is None:
                continue
            command_id = one.command.command_id
            old = self.command_ids.get(command_id)
            counts = old is not None and old[1] >= counts_from_ms.get(command_id, -math.inf)
            if command_id in used or counts:
                raise IdUsed(f"the command id {command_id} has been used before")
            used.add(command_id)

    def _check_claims_and_bookings(self, batch: Batch) -> None:
        net = batch.net
        frees, claimed = set(net.freed), {(show, seat) for show, seat, _ in net.claims}
        _require(len(frees) == len(net.freed) and frees <= self.claims.keys(), "AI003: claims to free")
        _require(len(claimed) == len(net.claims), "claims_pkey")
        _require(claimed.isdisjoint(self.claims.keys() - frees), "claims_pkey")
        if self.refused_seat is not None and self.refused_seat in claimed:
            raise DataRefused("a simulated constraint")
        new, changed = _ids(net.new_bookings), _ids(net.changed_bookings)
        _require(len(new) == len(net.new_bookings) and new.isdisjoint(self.bookings), "bookings_pkey")
        _require(len(changed) == len(net.changed_bookings), "AI003: bookings")
        _require(changed <= self.bookings.keys() | new, "AI003: bookings")

    def _check_shows(self, batch: Batch) -> None:
        opened = [show.show_id for show in batch.shows if show.show_id in batch.net.opened]
        changed = [show.show_id for show in batch.shows if show.show_id not in batch.net.opened]
        _require(self.show_states.keys().isdisjoint(opened), "show_states_pkey")
        _require(len(set(opened)) == len(opened), "show_states_pkey")
        _require(self.show_states.keys() >= set(changed), "AI003: shows")
        _require(len(set(changed)) == len(changed), "AI003: shows")

    def write(self, batch: Batch) -> None:
        """Writes all rows without checks."""
        for partition, a in batch.advances.items():
            self.partitions[partition] = PartitionState(
                self.partitions[partition].epoch, a.next, a.published, a.last_ms
            )
        for one in batch.decided:
            self.decisions[one.position] = DecisionRow(one.at_ms, one.body, one.answer)
            if one.first and one.command is not None:
                self.command_ids[one.command.command_id] = (one.position, one.at_ms)
        for seat in batch.net.freed:
            self.claims.pop(seat, None)
        for show_id, index, claim in batch.net.claims:
            self.claims[show_id, index] = claim
        for booking, position in batch.net.new_bookings:
            self.bookings[booking.booking_id] = (booking, position)
        for booking, position in batch.net.changed_bookings:
            self._change_booking(booking, position, booking.booking_id.int in batch.net.moved)
        for scan in batch.net.scans:
            self.check_ins[scan.position] = scan
        for show in batch.shows:
            self._write_show(show, show.show_id in batch.net.opened)

    def _change_booking(self, booking: Booking, position: Position, moved: bool) -> None:
        old, _ = self.bookings[booking.booking_id]
        seated = booking if moved else old
        changed = msgspec.structs.replace(
            old,
            status=booking.status,
            seats=seated.seats,
            total=seated.total,
            expires_ms=booking.expires_ms,
            checked_in=booking.checked_in,
            hold_ms=booking.hold_ms,
        )
        self.bookings[booking.booking_id] = (changed, position)

    def _write_show(self, show: ShowRow, opened: bool) -> None:
        partition, terms = show.partition, show.terms
        if not opened:
            old = self.show_states[show.show_id]
            partition = old.partition
            terms = msgspec.structs.replace(
                terms,
                layout_id=old.terms.layout_id,
                layout_digest=old.terms.layout_digest,
                payment=old.terms.payment,
            )
        self.show_states[show.show_id] = ShowStateRow(
            partition, show.status, terms, show.version, show.available
        )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise DataRefused(what)


def _ids(rows: Iterable[tuple[Booking, Position]]) -> set[UUID]:
    return {booking.booking_id for booking, _ in rows}
