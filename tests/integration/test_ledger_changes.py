"""The contract of a ledger for changed bookings and blocks, tested on PostgreSQL and on the fake of the simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from schemas.commands import (
    BlockSeats,
    CancelBooking,
    ChangeSeats,
    ChangeShow,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    SwapSeats,
    UnblockSeats,
)
from schemas.events import Booking
from schemas.ids import Position
from seat_workers.compact.stored_show import StoredShow
from seat_workers.ledger import Ledger
from tests.integration.ledger_backends import (
    Backend,
    PostgresBackend,
    SimulatedBackend,
    Writer,
    ask,
    book,
    cached,
    open_show,
)


class Stored:
    """A writer of an open show, and the ledger that it commits to."""

    def __init__(self, ledger: Ledger, writer: Writer) -> None:
        self.ledger, self.writer = ledger, writer

    async def commit(self, *commands: Command, at_ms: int = 1_000) -> None:
        """Decides and commits. All of the commands must be accepted."""
        batch = self.writer.batch(*commands, at_ms=at_ms)
        assert [one.decision.reason for one in batch.decided] == [None] * len(commands)
        await self.ledger.commit(batch)

    async def check(self) -> StoredShow:
        """Asserts that the stored show and its bookings equal those in memory. Returns the show."""
        (show,) = await self.ledger.load_shows([7], [0])
        assert cached(show) == cached(self.writer.show)
        assert show.terms == self.writer.show.terms
        live = self.writer.show.bookings
        assert {one.booking_id: one for one in await self.ledger.load_bookings(list(live))} == dict(live)
        return show

    async def booking(self, booking_id: UUID) -> Booking:
        (found,) = await self.ledger.load_bookings([booking_id])
        return found

    def hold(self, *seats: str, hold_ms: int = 5_000, **fields: object) -> HoldSeats:
        booking_id = self.writer.id()
        command: HoldSeats = ask(
            self.writer, HoldSeats, booking_id=booking_id, seats=seats, hold_ms=hold_ms, **fields
        )
        return command


@pytest.fixture(params=["real", "fake"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "fake":
        return SimulatedBackend()
    return PostgresBackend(request.getfixturevalue("database_url"))


@pytest.fixture
async def stored(backend: Backend) -> AsyncIterator[Stored]:
    await backend.open()
    ledger = backend.ledger()
    await ledger.take([0], "test")
    stored = Stored(ledger, Writer())
    await stored.commit(open_show(stored.writer))
    yield stored
    await ledger.close()
    await backend.close()


async def test_codes_and_release_times_of_blocked_seats_are_stored(stored: Stored) -> None:
    writer = stored.writer
    await stored.commit(
        ask(writer, BlockSeats, seats=("A2",), code="press", release_ms=9_000),
        ask(writer, BlockSeats, seats=("A6",), release_ms=8_000),
        ask(writer, BlockSeats, seats=("A4",), code="house"),
        ask(writer, BlockSeats, seats=("A5",)),
    )
    blocked = (await stored.check()).blocked
    assert list(blocked.seats) == [1, 3, 4, 5]
    assert list(blocked.codes) == ["press", "house", None, None]
    assert list(blocked.release_ms) == [9_000, 0, 0, 8_000]
    assert await stored.ledger.pending_timers([0]) == ([(0, 7, 8_000)], [])
    assert await stored.ledger.pending_timers([1]) == ([], [])


async def test_seats_blocked_anew_and_unblocked_keep_nothing_of_before(stored: Stored) -> None:
    writer = stored.writer
    await stored.commit(ask(writer, BlockSeats, seats=("A2", "A3", "A4"), code="press", release_ms=9_000))
    await stored.commit(
        ask(writer, BlockSeats, seats=("A2", "A3"), code="house"), ask(writer, UnblockSeats, seats=("A4",))
    )
    blocked = (await stored.check()).blocked
    assert (list(blocked.release_ms), list(blocked.codes)) == ([0, 0], ["house", "house"])
    assert await stored.ledger.pending_timers([0]) == ([], [])
    await stored.commit(ask(writer, UnblockSeats, seats=("A2", "A3")), book(writer, "A2"))
    assert list((await stored.check()).blocked.seats) == []


@pytest.mark.parametrize(("hold_ms", "release_ms"), [(2_000, 4_000), (3_000, 3_000), (6_000, 3_000)])
async def test_the_first_expiry_or_release_is_the_timer_of_a_show(
    stored: Stored, hold_ms: int, release_ms: int
) -> None:
    await stored.commit(
        stored.hold("A1", hold_ms=hold_ms),
        ask(stored.writer, BlockSeats, seats=("A4",), release_ms=release_ms),
    )
    assert await stored.ledger.pending_timers([0]) == ([(0, 7, 3_000)], [])


async def test_an_extended_hold_is_stored_with_its_length(stored: Stored) -> None:
    writer = stored.writer
    booked, held, other = book(writer, "A1"), stored.hold("A2"), stored.hold("A6")
    await stored.commit(booked, held, other)
    await stored.commit(ask(writer, ExtendHold, booking_id=held.booking_id), at_ms=3_000)
    extended = await stored.booking(held.booking_id)
    assert (extended.hold_ms, extended.expires_ms) == (5_000, 8_000)
    assert list((await stored.check()).bookings.extended) == [(1, 5_000)]
    assert await stored.ledger.pending_timers([0]) == ([(0, 7, 6_000)], [])
    await stored.commit(ask(writer, ConfirmBooking, booking_id=held.booking_id), at_ms=4_000)
    assert (await stored.booking(held.booking_id)).hold_ms == 5_000
    await stored.check()
    await stored.commit(ask(writer, CancelBooking, booking_id=held.booking_id), at_ms=4_000)
    assert await stored.booking(held.booking_id) == writer.show.ended[held.booking_id]


async def test_a_hold_extended_in_the_batch_that_makes_it_is_stored(stored: Stored) -> None:
    writer, held, plain = stored.writer, stored.hold("A2"), stored.hold("A3", paid=True)
    made = writer.decided(held, plain)
    (extended,) = writer.decided(ask(writer, ExtendHold, booking_id=held.booking_id), at_ms=2_000)
    extended = msgspec.structs.replace(extended, position=Position(0, writer.next + 2))
    await stored.ledger.commit(writer.batch_of([*made, extended]))
    assert list((await stored.check()).bookings.extended) == [(0, 5_000)]


async def test_bookings_of_one_batch_are_paid_or_not(stored: Stored) -> None:
    writer = stored.writer
    await stored.commit(
        book(writer, "A1"), book(writer, "A2", paid=True), book(writer, "A3"), stored.hold("A4", paid=True)
    )
    assert list((await stored.check()).bookings.paid) == [1, 3]


@pytest.mark.parametrize("held", [False, True])
async def test_other_seats_of_a_booking_are_stored_with_their_total(
    stored: Stored, backend: Backend, held: bool
) -> None:
    writer = stored.writer
    first = stored.hold("A1", "A2") if held else book(writer, "A1", "A2")
    other, gone = book(writer, "A5"), book(writer, "A6")
    await stored.commit(first, other, gone)
    await stored.commit(
        ask(writer, CancelBooking, booking_id=gone.booking_id),
        ask(writer, ChangeSeats, booking_id=first.booking_id, seats=("A2", "A3", "A6")),
    )
    changed = await stored.booking(first.booking_id)
    assert (changed.seats, changed.total) == (("A2", "A3", "A6"), 3_000)
    await stored.check()
    letter = "h" if held else "s"
    assert await backend.claims() == {
        (4, "s", other.booking_id),
        *((seat, letter, first.booking_id) for seat in (1, 2, 5)),
    }


async def test_a_booking_changed_in_the_batch_that_makes_it_is_stored(
    stored: Stored, backend: Backend
) -> None:
    writer, first = stored.writer, book(stored.writer, "A1", "A2")
    await stored.commit(
        first, ask(writer, ChangeSeats, booking_id=first.booking_id, seats=("A2", "A4")), book(writer, "A1")
    )
    await stored.check()
    assert {seat for seat, _, _ in await backend.claims()} == {0, 1, 3}


async def test_swapped_seats_of_both_bookings_are_stored(stored: Stored, backend: Backend) -> None:
    writer, one, other = stored.writer, book(stored.writer, "A1"), stored.hold("A4", "A5")
    await stored.commit(one, other)
    swap = ask(writer, SwapSeats, booking_id=one.booking_id, with_booking_id=other.booking_id)
    await stored.commit(swap)
    found = [await stored.booking(command.booking_id) for command in (one, other)]
    assert [(booking.seats, booking.total) for booking in found] == [(("A4", "A5"), 2_000), (("A1",), 1_000)]
    await stored.check()
    assert await backend.claims() == {
        (0, "h", other.booking_id),
        (3, "s", one.booking_id),
        (4, "s", one.booking_id),
    }


async def test_the_payment_of_a_show_is_stored_and_kept_when_it_changes(backend: Backend) -> None:
    await backend.open()
    ledger = backend.ledger()
    await ledger.take([0], "test")
    stored = Stored(ledger, Writer())
    await stored.commit(open_show(stored.writer, payment="required"))
    await stored.commit(ask(stored.writer, ChangeShow, starts_ms=9_000), book(stored.writer, "A1"))
    terms = (await stored.check()).terms
    assert (terms.payment, terms.starts_ms) == ("required", 9_000)
    await ledger.close()
    await backend.close()
