"""The contract of a ledger, tested on PostgreSQL and on the fake of the simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    Command,
    HoldSeats,
    ScanTicket,
    UndoCheckIn,
)
from schemas.events import BookingStatus
from schemas.ids import Position
from seat_workers.batch import Batch
from seat_workers.fold import Claim
from seat_workers.ledger import DataRefused, Fenced, IdUsed, Ledger, OutcomeUnknown, ShowSize
from seat_workers.show_state import Show
from tests.integration.ledger_backends import (
    DIGEST,
    SEATING,
    Backend,
    PostgresBackend,
    SimulatedBackend,
    Writer,
    ask,
    book,
    cached,
    open_show,
)


@pytest.fixture(params=["real", "fake"])
def where(request: pytest.FixtureRequest) -> str | None:
    """The real one's address; the fake needs none."""
    return request.getfixturevalue("database_url") if request.param == "real" else None


@pytest.fixture
async def backend(where: str | None) -> AsyncIterator[Backend]:
    made: Backend = SimulatedBackend() if where is None else PostgresBackend(where)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def ledger(backend: Backend) -> AsyncIterator[Ledger]:
    made = backend.ledger()
    yield made
    await made.close()


@pytest.fixture
async def writer(ledger: Ledger) -> Writer:
    """One that has partition 0 and has opened its show at 0-0."""
    await ledger.take([0], "test")
    writer = Writer()
    await ledger.commit(writer.batch(open_show(writer)))
    return writer


async def refused(ledger: Ledger, backend: Backend, batch: Batch, kind: type[Exception]) -> None:
    """Asserts that the batch is refused with this error, and writes nothing."""
    before = (await ledger.states([0, 1]), await backend.claims(), await ledger.decisions(0, 0, 100, 100))
    with pytest.raises(kind):
        await ledger.commit(batch)
    assert (await ledger.states([0, 1]), await backend.claims(), await ledger.decisions(0, 0, 100, 100)) == (
        before
    )


async def test_taking_raises_the_epoch_each_time(ledger: Ledger) -> None:
    first = await ledger.take([1, 0], "one")
    again = await ledger.take([1], "two")
    assert {partition: state.epoch for partition, state in first.items()} == {0: 1, 1: 1}
    assert again[1].epoch == 2
    assert again == {1: (await ledger.states([0, 1]))[1]}


async def test_a_partition_with_decisions_and_no_row_is_left_out(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    await backend.lose_partition(0)
    assert (await ledger.take([0, 1], "test")).keys() == {1}
    assert (await ledger.states([0, 1])).keys() == {1}


async def test_a_committed_batch_is_read_back(ledger: Ledger, backend: Backend, writer: Writer) -> None:
    held: HoldSeats = ask(writer, HoldSeats, booking_id=writer.id(), seats=("A2",), hold_ms=5_000)
    booked = book(writer, "A3", "A4")
    commands: list[Command] = [held, booked, ask(writer, BlockSeats, seats=("A6",))]
    batch = writer.batch(*commands, at_ms=2_000, published=1)
    await ledger.commit(batch)
    state = (await ledger.states([0]))[0]
    assert (state.epoch, state.next_offset, state.published_offset, state.last_ms) == (1, 4, 1, 2_000)
    (show,) = await ledger.load_shows([7, 8], [0])
    assert (show.status, show.terms, show.version) == (writer.show.status, writer.show.terms, 3)
    assert cached(show) == cached(writer.show)
    (in_background,) = await ledger.load_shows([7, 8], [0], in_background=True)
    assert in_background == show
    assert await ledger.load_shows([7], [1]) == [], "it is on another partition"
    assert await ledger.show_sizes([7, 8], [0]) == [ShowSize(7, 0, DIGEST, 4)]
    assert await ledger.show_sizes([7], [1]) == []
    assert await backend.claims() == {
        (1, "h", held.booking_id),
        (2, "s", booked.booking_id),
        (3, "s", booked.booking_id),
        (5, "b", None),
    }
    rows = await ledger.decisions(0, 1, 4, 2)
    assert rows == [(one.position.offset, one.at_ms, one.body, one.answer) for one in batch.decided[:2]]
    ((command_id, first),) = await ledger.first_decisions([booked.command_id, writer.id()])
    assert (command_id, first.position, first.at_ms) == (booked.command_id, Position(0, 2), 2_000)
    assert (await ledger.load_layouts([DIGEST, "unheard"]))[DIGEST].labels == SEATING.labels


async def test_an_ended_booking_is_found_by_its_id_alone(ledger: Ledger, writer: Writer) -> None:
    booked = book(writer, "A1")
    await ledger.commit(writer.batch(booked))
    await ledger.commit(writer.batch(ask(writer, CancelBooking, booking_id=booked.booking_id)))
    (show,) = await ledger.load_shows([7], [0])
    assert cached(show) == cached(Show(7, SEATING))
    (booking,) = await ledger.load_bookings([booked.booking_id, writer.id()])
    assert (booking.status, booking.seats) == (BookingStatus.CANCELLED, ("A1",))


async def test_a_seat_is_freed_before_it_is_claimed_again(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    booked = book(writer, "A1")
    await ledger.commit(writer.batch(booked))
    other = book(writer, "A1", user_id=2)
    await ledger.commit(
        writer.batch(ask(writer, CancelBooking, booking_id=booked.booking_id), other, at_ms=3_000)
    )
    assert await backend.claims() == {(0, "s", other.booking_id)}


async def test_check_ins_are_stored_even_in_the_batch_of_their_booking(
    ledger: Ledger, writer: Writer
) -> None:
    early, late = book(writer, "A1"), book(writer, "A2")
    await ledger.commit(writer.batch(early))
    commands = [late] + [
        ask(writer, CheckIn, booking_id=one.booking_id, seat=seat)
        for one, seat in ((early, "A1"), (late, "A2"))
    ]
    await ledger.commit(writer.batch(*commands, at_ms=4_000))
    bookings = await ledger.load_bookings([early.booking_id, late.booking_id])
    assert sorted(list(booking.checked_in.items()) for booking in bookings) == [
        [("A1", 4_000)],
        [("A2", 4_000)],
    ]
    (show,) = await ledger.load_shows([7], [0])
    assert cached(show) == cached(writer.show)


async def test_bookings_of_several_seats_are_loaded_with_their_own_seats(
    ledger: Ledger, writer: Writer
) -> None:
    ids = [writer.id() for _ in range(3)]
    wanted = ((ids[2], ("A4", "A1"), 3), (ids[0], ("A6", "A2", "A3"), 2), (ids[1], ("A5",), 3))
    commands = [
        ask(writer, BookSeats, booking_id=booking_id, seats=seats, user_id=user_id)
        for booking_id, seats, user_id in wanted
    ]
    await ledger.commit(writer.batch(*commands, at_ms=5_000))
    (show,) = await ledger.load_shows([7], [0])
    assert cached(show) == cached(writer.show)


async def test_claims_of_another_show_are_not_loaded(ledger: Ledger, writer: Writer) -> None:
    other = Writer(partition=1, show_id=8)
    await ledger.take([1], "test")
    await ledger.commit(
        other.batch(open_show(other), book(other, "A1"), ask(other, BlockSeats, seats=("A3",)))
    )
    await ledger.commit(writer.batch(book(writer, "A2"), ask(writer, BlockSeats, seats=("A4", "A3"))))
    loaded = {show.show_id: cached(show) for show in await ledger.load_shows([7, 8], [0, 1])}
    assert loaded == {7: cached(writer.show), 8: cached(other.show)}


async def test_pending_timers_are_found(ledger: Ledger, writer: Writer) -> None:
    holds = [
        ask(writer, HoldSeats, booking_id=writer.id(), seats=(seat,), hold_ms=hold_ms)
        for seat, hold_ms in (("A1", 9_000), ("A2", 3_000))
    ]
    await ledger.commit(writer.batch(*holds))
    assert await ledger.pending_timers([0, 1]) == ([(0, 7, 4_000)], [])
    assert await ledger.pending_timers([1]) == ([], [])
    batch = writer.batch(ask(writer, CancelShow))
    batch.net.changed_bookings.clear()  # as if the show had more bookings than one command cancels
    batch.net.freed.clear()
    await ledger.commit(batch)
    assert (await ledger.pending_timers([0]))[1] == [(0, 7)]


async def test_a_previous_owner_writes_nothing(ledger: Ledger, backend: Backend, writer: Writer) -> None:
    await ledger.take([0], "another")
    await refused(ledger, backend, writer.batch(book(writer, "A1")), Fenced)


async def test_an_offset_that_is_not_the_next_is_refused(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    early = writer.batch(book(writer, "A1"))
    late = writer.batch(book(writer, "A2"))
    await refused(ledger, backend, late, Fenced)
    await ledger.commit(early)
    await refused(ledger, backend, early, Fenced)
    await ledger.commit(late)


async def test_one_lost_partition_refuses_the_whole_batch(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    await ledger.take([1], "test")
    elsewhere = Writer(partition=1, show_id=8)
    here, there = writer.batch(book(writer, "A1")), elsewhere.batch(open_show(elsewhere))
    both = msgspec.structs.replace(
        here,
        advances=here.advances | there.advances,
        decided=here.decided + there.decided,
        shows=here.shows + there.shows,
        net=msgspec.structs.replace(here.net, opened=there.net.opened),
    )
    await ledger.take([1], "another")
    await refused(ledger, backend, both, Fenced)
    assert await ledger.load_shows([8], [1]) == []


async def test_an_expired_id_is_deleted_by_the_commit_that_uses_it_anew(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    first = book(writer, "A1")
    await ledger.commit(writer.batch(first))
    offset = writer.next
    late = writer.batch(book(writer, "A3", command_id=first.command_id), at_ms=2_000)
    await refused(ledger, backend, late, IdUsed)
    unknown = (writer.id(), 9_000)
    counts = msgspec.structs.replace(late, expired_ids=[(first.command_id, 1_000), unknown])
    await refused(ledger, backend, counts, IdUsed)
    expired = msgspec.structs.replace(late, expired_ids=[unknown, (first.command_id, 1_001)])
    late_elsewhere = msgspec.structs.replace(
        expired, advances={0: msgspec.structs.replace(late.advances[0], epoch=99)}
    )
    await refused(ledger, backend, late_elsewhere, Fenced)
    await refused(ledger, backend, late, IdUsed)
    await ledger.commit(expired)
    ((_, latest),) = await ledger.first_decisions([first.command_id])
    assert latest.position == Position(0, offset)


async def test_a_command_id_twice_in_a_batch_is_refused(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    first = book(writer, "A1")
    again = book(writer, "A2", command_id=first.command_id)
    await refused(ledger, backend, writer.batch(first, again), IdUsed)


async def test_a_repeat_does_not_count_as_used(ledger: Ledger, writer: Writer) -> None:
    first = book(writer, "A1")
    await ledger.commit(writer.batch(first))
    (again,) = writer.decided(book(writer, "A2", command_id=first.command_id))
    await ledger.commit(writer.batch_of([msgspec.structs.replace(again, first=False)]))
    ((_, known),) = await ledger.first_decisions([first.command_id])
    assert known.position == Position(0, 1)


FAULTS = {
    "a claim to free that is not there": lambda batch: batch.net.freed.append((7, 3)),
    "a claim freed twice": lambda batch: batch.net.freed.extend([(7, 0), (7, 0)]),
    "a seat that is claimed already": lambda batch: batch.net.claims.append((7, 0, Claim("b", None))),
    "a seat claimed twice": lambda batch: batch.net.claims.extend(2 * [(7, 3, Claim("b", None))]),
    "a booking that is there already": lambda batch: batch.net.new_bookings.append(batch.extra),
    "a booking changed twice": lambda batch: batch.net.changed_bookings.extend(2 * [batch.extra]),
    "a booking changed that is not there": lambda batch: batch.net.changed_bookings.append(batch.stranger),
    "a show opened again": lambda batch: batch.net.opened.add(7),
    "a show changed that is not there": lambda batch: batch.shows.append(
        msgspec.structs.replace(batch.shows[0], show_id=9)
    ),
    "a decision that is there already": lambda batch: batch.decided.append(
        msgspec.structs.replace(batch.decided[0], position=Position(0, 0), first=False)
    ),
}


class EditableBatch:
    """A batch whose parts can be changed to make it inconsistent."""

    def __init__(self, batch: Batch, extra: Any, stranger: Any) -> None:
        self.net, self.shows, self.decided = batch.net, batch.shows, batch.decided
        self.extra, self.stranger = extra, stranger


@pytest.mark.parametrize("what", FAULTS)
async def test_an_inconsistent_batch_is_refused_as_a_whole(
    ledger: Ledger, backend: Backend, writer: Writer, what: str
) -> None:
    there = writer.batch(book(writer, "A1"))
    await ledger.commit(there)
    batch = writer.batch(book(writer, "A2"))
    extra = there.net.new_bookings[0]
    stranger = (msgspec.structs.replace(extra[0], booking_id=writer.id()), extra[1])
    FAULTS[what](EditableBatch(batch, extra, stranger))
    await refused(ledger, backend, batch, DataRefused)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_next_offset_resolves_an_unknown_outcome(
    ledger: Ledger, backend: Backend, writer: Writer, when: str
) -> None:
    batch = writer.batch(book(writer, "A1"))
    await backend.cut(ledger, when)
    with pytest.raises(OutcomeUnknown):
        await ledger.commit(batch)
    assert (await ledger.states([0]))[0].next_offset == (2 if when == "after" else 1)
    assert len(await backend.claims()) == (1 if when == "after" else 0)


async def test_the_published_offset_only_grows_and_only_for_the_owner(ledger: Ledger, writer: Writer) -> None:
    await ledger.commit(writer.batch(book(writer, "A1"), book(writer, "A2")))
    for epoch, published, then in ((1, 2, 2), (1, 1, 2), (0, 3, 2), (1, 3, 3)):
        await ledger.mark_published({0: (epoch, published)})
        assert (await ledger.states([0]))[0].published_offset == then


async def test_scans_are_committed_with_their_decisions_or_not_at_all(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    booked = book(writer, "A1", "A2")
    await ledger.commit(writer.batch(booked, ask(writer, ChangeShow, starts_ms=1)))
    first = scan(writer, booked, 0, at_ms=None, gate="north")
    late = scan(writer, booked, 0, at_ms=1_500, gate="south")
    undone = ask(writer, UndoCheckIn, booking_id=booked.booking_id, seat_index=0)
    batch = writer.batch(first, late, undone, scan(writer, booked, 1), at_ms=3_000)
    await refused(ledger, backend, stale(batch), Fenced)
    assert await backend.check_ins() == []
    await ledger.commit(batch)
    assert await backend.check_ins() == [
        ("A1", 3_000, "north", None),
        ("A1", 1_500, "south", 3_000),
        ("A2", 3_000, None, None),
    ]
    (show,) = await ledger.load_shows([7], [0])
    assert cached(show) == cached(writer.show)
    (booking,) = await ledger.load_bookings([booked.booking_id])
    assert booking.checked_in == {"A2": 3_000}


async def test_a_batch_with_scans_deletes_the_expired_ids_that_it_uses_anew(
    ledger: Ledger, backend: Backend, writer: Writer
) -> None:
    booked = book(writer, "A1")
    await ledger.commit(writer.batch(booked, ask(writer, ChangeShow, starts_ms=1), at_ms=1_000))
    again = msgspec.structs.replace(scan(writer, booked, 0), command_id=booked.command_id)
    batch = writer.batch(again, at_ms=2_000)
    await refused(ledger, backend, batch, IdUsed)
    assert await backend.check_ins() == []
    await ledger.commit(msgspec.structs.replace(batch, expired_ids=[(booked.command_id, 1_500)]))
    assert await backend.check_ins() == [("A1", 2_000, None, None)]


def scan(writer: Writer, booked: BookSeats, seat: int, **more: Any) -> ScanTicket:
    """A scan by staff; the show runs for ever."""
    scanned: ScanTicket = ask(
        writer, ScanTicket, booking_id=booked.booking_id, seat_index=seat, runs_ms=10**13, staff=True, **more
    )
    return scanned


def stale(batch: Batch) -> Batch:
    """The batch as a writer sends it whose partition was taken by another."""
    advances = {
        partition: msgspec.structs.replace(advance, epoch=advance.epoch - 1)
        for partition, advance in batch.advances.items()
    }
    return msgspec.structs.replace(batch, advances=advances)
