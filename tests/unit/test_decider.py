"""The decider: positions, times, repeats and rows of a batch, and what memory keeps of a batch that failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from runtime.log import Record, WrongLog
from schemas.commands import BookSeats, CancelBooking, Command, OpenShow
from schemas.events import Decision, Reason, ShowStatus
from schemas.ids import Position
from schemas.layout import Money, numbered
from schemas.seating import Seating
from schemas.wire import decode_decision, encode
from seat_workers.batch import Advance, Batch
from seat_workers.command_ids import ID_LIFETIME_MS, FirstDecision, RecentCommandIds
from seat_workers.decider import CommandFailed, Decider, OwnedPartition, decode_record
from seat_workers.show import step
from seat_workers.show_cache import ShowCache
from seat_workers.show_state import Show

SEATING = Seating(numbered(6, Money(100, "EUR")))
PUBLISHED = {0: 0, 1: 95}


class FakeShows:
    """Shows in memory: 7 and 8 on partition 0, 5 on partition 1."""

    def __init__(self) -> None:
        self.shows = {
            (partition, show_id): Show(show_id, SEATING) for partition, show_id in ((0, 7), (0, 8), (1, 5))
        }
        self.borrowed_dropped = 0

    def find(self, partition: int, show_id: int) -> Show | None:
        return self.shows.get((partition, show_id))

    def drop(self, keys: Iterable[tuple[int, int]]) -> None:
        for key in keys:
            self.shows.pop(key, None)

    def drop_borrowed(self) -> None:
        self.borrowed_dropped += 1


class Fixture:
    """A decider of two partitions: 0 from offset 0 on, 1 from offset 100 on."""

    def __init__(self) -> None:
        self.cache = FakeShows()
        self.recent_ids = RecentCommandIds()
        self.decider = Decider(cast(ShowCache, self.cache), self.recent_ids)
        self.owned = {0: OwnedPartition(3, 0, 0), 1: OwnedPartition(4, 100, 0)}

    def decide(self, *commands: Command | None, partition: int = 0, at_ms: int = 1_000) -> Batch:
        """Decides the next records of a partition; None stands for one that is not a command."""
        return self.decide_records(self.records(*commands, partition=partition, at_ms=at_ms))

    def records(
        self, *commands: Command | None, partition: int = 0, at_ms: int = 1_000
    ) -> list[tuple[Record, Command | None]]:
        first = self.owned[partition].next_offset
        return [
            (Record(partition, first + n, at_ms, encode(command) if command else b"?"), command)
            for n, command in enumerate(commands)
        ]

    def decide_records(self, records: list[tuple[Record, Command | None]]) -> Batch:
        return self.decider.decide(records, self.owned, PUBLISHED)

    def is_known(self, command: Command) -> bool:
        return self.recent_ids.find(command.command_id, 0) is not None


@pytest.fixture
def fixture() -> Fixture:
    """A decider whose three shows are open."""
    made = Fixture()
    made.decide(opening(7, 1), opening(8, 2), at_ms=0)
    made.decide(opening(5, 3), partition=1, at_ms=0)
    return made


def opening(show_id: int, number: int) -> OpenShow:
    return OpenShow(
        command_id=UUID(int=number),
        show_id=show_id,
        layout_id=1,
        layout_digest="0" * 64,
        starts_ms=10**12,
        seats_per_customer=9,
    )


def booking(number: int, *seats: str, show_id: int = 7, booking_number: int | None = None) -> BookSeats:
    return BookSeats(
        command_id=UUID(int=number),
        booking_id=UUID(int=number if booking_number is None else booking_number),
        show_id=show_id,
        user_id=1,
        seats=seats,
    )


def reasons(batch: Batch) -> list[Reason | None]:
    return [one.decision.reason for one in batch.decided]


def test_each_record_gets_a_decision_and_advances_its_partition(fixture: Fixture) -> None:
    assert (fixture.owned[0], fixture.owned[1]) == (OwnedPartition(3, 2, 0), OwnedPartition(4, 101, 0))
    first, second = booking(10, "1"), booking(11, "1", show_id=5)
    records = [
        *fixture.records(first, None, at_ms=1_000),
        *fixture.records(second, partition=1, at_ms=2_000),
    ]
    batch = fixture.decide_records(records)
    assert [(one.position, one.at_ms, one.command) for one in batch.decided] == [
        (Position(0, 2), 1_000, first),
        (Position(0, 3), 1_000, None),
        (Position(1, 101), 2_000, second),
    ]
    assert [one.body for one in batch.decided] == [record.body for record, _ in records]
    assert [decode_decision(one.answer) for one in batch.decided] == [one.decision for one in batch.decided]
    assert batch.advances == {
        0: Advance(epoch=3, expected=2, next=4, published=0, last_ms=1_000),
        1: Advance(epoch=4, expected=101, next=102, published=95, last_ms=2_000),
    }
    assert fixture.cache.borrowed_dropped == 3, "once a batch"


def test_log_time_does_not_go_back(fixture: Fixture) -> None:
    fixture.decide(booking(10, "1"), at_ms=5_000)
    batch = fixture.decide(booking(11, "2"), at_ms=4_000)
    [one] = batch.decided
    assert one.at_ms == batch.advances[0].last_ms == fixture.owned[0].last_ms == 5_000
    assert one.decision.booking is not None
    assert one.decision.booking.created_ms == 5_000


def test_a_batch_has_the_row_of_each_show_that_changed(fixture: Fixture) -> None:
    batch = fixture.decide(
        booking(10, "1", show_id=8), booking(11, "1", "2"), booking(12, "3"), booking(13, "9", show_id=5)
    )
    assert [(row.show_id, row.partition, row.status, row.version, row.available) for row in batch.shows] == [
        (7, 0, ShowStatus.OPEN, 4, 3),
        (8, 0, ShowStatus.OPEN, 2, 5),
    ]
    assert [row.terms.starts_ms for row in batch.shows] == [10**12] * 2
    assert batch.versions_before == {7: 0, 8: 1}
    assert [(show_id, seat) for show_id, seat, _ in batch.net.claims] == [(7, 0), (7, 1), (7, 2), (8, 0)]


def test_rows_are_ordered_by_show_so_that_two_writers_lock_them_in_one_order(fixture: Fixture) -> None:
    records = [
        *fixture.records(booking(10, "1", show_id=8), booking(11, "1")),
        *fixture.records(booking(12, "1", show_id=5), partition=1),
    ]
    assert [row.show_id for row in fixture.decide_records(records).shows] == [5, 7, 8]


def test_a_refused_command_changes_no_show(fixture: Fixture) -> None:
    batch = fixture.decide(booking(10, "99"))
    assert reasons(batch) == [Reason.SEAT_UNKNOWN]
    assert (batch.shows, batch.versions_before) == ([], {})
    assert fixture.cache.shows[0, 7].version == 0


def test_a_show_is_found_on_its_own_partition_only(fixture: Fixture) -> None:
    batch = fixture.decide(booking(10, "1", show_id=5))
    assert reasons(batch) == [Reason.NOT_FOUND]
    assert batch.decided[0].first, "the id is used"


def test_a_record_that_is_not_a_command_is_malformed(fixture: Fixture) -> None:
    [one] = fixture.decide(None).decided
    assert (one.decision, one.first) == (Decision(Reason.MALFORMED), False)


def test_a_repeat_gets_the_first_answer_and_another_request_a_refusal(fixture: Fixture) -> None:
    batch = fixture.decide(
        booking(10, "1"), booking(10, "1"), booking(10, "2"), CancelBooking(command_id=UUID(int=10), show_id=7,
                                                                            booking_id=UUID(int=10))
    )  # fmt: skip
    assert reasons(batch) == [None, None, Reason.KEY_REUSED, Reason.KEY_REUSED]
    assert [one.first for one in batch.decided] == [True, False, False, False]
    assert batch.decided[1].decision.repeats == Position(0, 2)
    assert batch.decided[1].decision.booking == batch.decided[0].decision.booking
    assert fixture.cache.shows[0, 7].available == 5


def test_an_id_can_be_used_anew_after_its_lifetime(fixture: Fixture) -> None:
    fixture.decide(booking(10, "1"), at_ms=1_000)
    assert not fixture.decide(booking(10, "2"), at_ms=1_000 + ID_LIFETIME_MS).decided[0].first
    batch = fixture.decide(booking(10, "2", booking_number=99), at_ms=1_001 + ID_LIFETIME_MS)
    assert reasons(batch) == [None]
    assert batch.decided[0].first
    known = fixture.recent_ids.find(UUID(int=10), 0)
    assert known is not None
    assert (known.position, known.at_ms) == (Position(0, 4), 1_001 + ID_LIFETIME_MS)


def test_a_command_is_no_repeat_of_itself(fixture: Fixture) -> None:
    command = booking(10, "1")
    answer = encode(Decision(Reason.SEAT_TAKEN))
    fixture.recent_ids.remember(command.command_id, FirstDecision(Position(0, 2), 0, encode(command), answer))
    [one] = fixture.decide(command).decided
    assert (one.decision.reason, one.first) == (None, True)


def test_a_missing_record_stops_the_worker(fixture: Fixture) -> None:
    command = booking(10, "1")
    [decided, (record, late)] = fixture.records(command, booking(11, "2"))
    with pytest.raises(WrongLog) as stopped:
        fixture.decide_records([decided, (record._replace(offset=7), late)])
    assert str(stopped.value) == (
        "partition 0 of the log continues at offset 7 instead of 3: records are missing."
        " Restore the log, or the database from a backup of the same moment"
    )
    assert (0, 7) not in fixture.cache.shows
    assert not fixture.is_known(command)


def test_a_poisoned_command_is_answered_without_being_decided(fixture: Fixture) -> None:
    fixture.decider.poisoned.add(Position(0, 2))
    batch = fixture.decide(booking(10, "1"), booking(11, "1"), booking(10, "1"))
    assert reasons(batch) == [Reason.INTERNAL_ERROR, None, Reason.INTERNAL_ERROR]
    assert [one.first for one in batch.decided] == [True, True, False]


def test_a_poisoned_command_whose_id_cannot_be_stored_leaves_its_id_unused(fixture: Fixture) -> None:
    fixture.decider.poisoned.add(Position(0, 2))
    fixture.decider.ids_not_stored.add(Position(0, 2))
    batch = fixture.decide(booking(10, "1"), booking(10, "1"))
    assert reasons(batch) == [Reason.INTERNAL_ERROR, None]
    assert [one.first for one in batch.decided] == [False, True]


def test_when_the_rules_raise_nothing_of_the_batch_stays_in_memory(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = booking(10, "1")
    fixture.decide(committed)
    other = booking(11, "1", show_id=8)
    records = fixture.records(other, committed, booking(12, "2"))
    before = fixture.cache.borrowed_dropped

    def planted(show: Show, command: Command, now_ms: int) -> Decision:
        if command.command_id == UUID(int=12):
            raise RuntimeError("a bug")
        return step(show, command, now_ms)

    monkeypatch.setattr("seat_workers.decider.step", planted)
    with pytest.raises(CommandFailed) as failed:
        fixture.decide_records(records)
    assert (failed.value.position, str(failed.value)) == (Position(0, 5), "0-5")
    assert list(fixture.cache.shows) == [(1, 5)]
    assert not fixture.is_known(other)
    assert fixture.is_known(committed), "a repeat does not take the id of the first with it"
    assert fixture.cache.borrowed_dropped == before + 1


def test_a_batch_that_was_not_committed_can_be_undone(fixture: Fixture) -> None:
    command, refused = booking(10, "1"), booking(11, "99", show_id=8)
    batch = fixture.decide(command, refused, None, booking(1, "2"))
    assert reasons(batch) == [None, Reason.SEAT_UNKNOWN, Reason.MALFORMED, Reason.KEY_REUSED]
    fixture.decider.undo(batch)
    assert list(fixture.cache.shows) == [(1, 5)]
    assert [fixture.is_known(one) for one in (command, refused, opening(7, 1))] == [False, False, True]


def test_a_new_use_of_an_id_that_may_be_stored_deletes_its_expired_use(fixture: Fixture) -> None:
    assert list(fixture.decide(booking(10, "1")).expired_ids) == []
    fixture.decider.possibly_expired_ids.update({UUID(int=10), UUID(int=11)})
    at_ms = ID_LIFETIME_MS + 500
    batch = fixture.decide(booking(10, "1"), booking(11, "2"), booking(12, "3"), None, at_ms=at_ms)
    assert [one.first for one in batch.decided] == [False, True, True, False]
    assert batch.expired_ids == [(UUID(int=11), 500)]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"type":"BookSeats"}', b'"\xff"', b"[" * 100_000])
def test_a_record_that_cannot_be_decoded_is_no_command(body: bytes) -> None:
    with capture_logs() as logged:
        assert decode_record(Record(3, 17, 0, body)) is None
    assert [(line["event"], line["position"]) for line in logged] == [("record_malformed", "3-17")]


def test_a_record_is_decoded_to_its_command() -> None:
    command = booking(10, "1")
    assert decode_record(Record(3, 17, 0, encode(command))) == command
