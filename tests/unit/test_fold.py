"""A batch folded into net changes equals the same decisions written one by one."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    CheckIn,
    Command,
    ConfirmBooking,
    HoldSeats,
    OpenShow,
    UnblockSeats,
)
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    Event,
    HoldExpired,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    ShowStatus,
    Terms,
    TicketCheckedIn,
)
from schemas.ids import Position
from schemas.layout import Money, numbered
from schemas.seating import Seating
from schemas.wire import encode
from seat_workers.fold import Claim, DecidedRecord, NetChanges, fold
from seat_workers.show import step
from seat_workers.show_state import Show
from tests.unit.tables_model import TablesModel

SHOW = 7
SEATING = Seating(numbered(6, Money(100, "EUR")))


def some_decisions(show: Show, seed: int, count: int) -> list[DecidedRecord]:
    rng = random.Random(seed)
    bookings: list[UUID] = []
    decided = []
    now_ms = 0
    for n in range(count):
        now_ms += rng.randrange(600)
        common: dict[str, Any] = {"command_id": UUID(int=n), "show_id": SHOW, "user_id": 1, "staff": True}
        seats = tuple(str(s) for s in rng.sample(range(1, 7), rng.randrange(1, 3)))
        named = rng.choice(bookings) if bookings else UUID(int=0)
        command: Command
        match rng.randrange(9) if n else 9:
            case 0 | 1:
                command = BookSeats(**common, booking_id=UUID(int=1000 + n), seats=seats)
            case 2:
                command = HoldSeats(**common, booking_id=UUID(int=1000 + n), seats=seats, hold_ms=1_500)
            case 3:
                command = ConfirmBooking(**common, booking_id=named)
            case 4:
                command = CancelBooking(**common, booking_id=named)
            case 5:
                command = BlockSeats(**common, seats=seats)
            case 6:
                command = UnblockSeats(**common, seats=seats)
            case 7:
                command = CheckIn(**common, booking_id=named, seat=seats[0])
            case 8 if rng.random() < 0.1:
                command = CancelShow(**common | {"user_id": 0})
            case 8:
                command = BookSeats(**common, booking_id=UUID(int=1000 + n), quantity=rng.randrange(1, 3))
            case _:
                command = OpenShow(
                    **common, layout_id=1, layout_digest="0" * 64, starts_ms=10**9, seats_per_customer=100
                )
        if isinstance(command, BookSeats | HoldSeats):
            bookings.append(command.booking_id)
        decision = step(show, command, now_ms)
        decided.append(DecidedRecord(Position(0, n), now_ms, b"", command, decision, encode(decision), True))
    return decided


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9), cuts=st.lists(st.integers(1, 25), min_size=1, max_size=12))
def test_tables_do_not_depend_on_the_cut_into_batches(seed: int, cuts: list[int]) -> None:
    show = Show(SHOW, SEATING)
    decided = some_decisions(show, seed, sum(cuts))
    one_by_one, in_batches = TablesModel(SHOW, SEATING), TablesModel(SHOW, SEATING)
    for one in decided:
        one_by_one.write([one])
    rest = decided
    for cut in cuts:
        in_batches.write(rest[:cut])
        rest = rest[cut:]
    assert in_batches.claims == one_by_one.claims
    assert in_batches.bookings == one_by_one.bookings
    one_by_one.assert_equal_to(show)


def test_a_seat_sold_freed_and_sold_again_is_one_claim_of_its_last_owner() -> None:
    show = Show(SHOW, SEATING)
    log: list[Command] = [
        OpenShow(
            command_id=UUID(int=1),
            show_id=SHOW,
            layout_id=1,
            layout_digest="0" * 64,
            starts_ms=9,
            seats_per_customer=9,
        )
    ]
    for n in range(2, 8, 2):
        log.append(
            BookSeats(command_id=UUID(int=n), show_id=SHOW, user_id=1, booking_id=UUID(int=n), seats=("3",))
        )
        log.append(CancelBooking(command_id=UUID(int=n + 1), show_id=SHOW, user_id=1, booking_id=UUID(int=n)))
    log.append(
        BookSeats(command_id=UUID(int=8), show_id=SHOW, user_id=2, booking_id=UUID(int=8), seats=("3",))
    )
    batch = [
        DecidedRecord(
            Position(0, n), 0, b"", command, decision := step(show, command, 0), encode(decision), True
        )
        for n, command in enumerate(log)
    ]
    net = fold(batch, {SHOW: SEATING})
    assert net.freed == []
    assert net.claims == [(SHOW, 2, Claim("s", UUID(int=8)))]
    assert len(net.new_bookings) == 4
    assert len(net.ended()) == 3
    assert net.opened == {SHOW}


HELD = Booking(UUID(int=50), SHOW, 1, BookingStatus.HELD, ("2", "3"), 200, "EUR", 0, 9_000)
SOLD = msgspec.structs.replace(HELD, status=BookingStatus.CONFIRMED, expires_ms=None)
OTHER = Booking(UUID(int=40), SHOW - 1, 1, BookingStatus.CONFIRMED, ("6", "1"), 200, "EUR", 0)
TERMS = Terms(layout_id=1, layout_digest="0" * 64, starts_ms=9, seats_per_customer=9)
RESOLD = msgspec.structs.replace(OTHER, booking_id=UUID(int=60), show_id=SHOW)
COMMAND = BookSeats(command_id=UUID(int=9), show_id=SHOW, booking_id=UUID(int=9), seats=("1",))


def ended(booking: Booking, status: BookingStatus) -> Booking:
    return msgspec.structs.replace(booking, status=status, expires_ms=None)


def net_of(*events: Event, command: Command = COMMAND) -> NetChanges:
    """The net changes of decisions on such a command, with one event each, at offsets from 0 on."""
    batch = []
    for offset, event in enumerate(events):
        decision = Decision(events=(event,))
        batch.append(DecidedRecord(Position(0, offset), 0, b"", command, decision, encode(decision), True))
    return fold(batch, {SHOW: SEATING, SHOW - 1: SEATING})


def test_a_new_booking_is_a_claim_of_each_of_its_seats() -> None:
    held = net_of(BookingHeld(HELD))
    assert held.claims == [(SHOW, 1, Claim("h", HELD.booking_id)), (SHOW, 2, Claim("h", HELD.booking_id))]
    assert (held.freed, held.new_bookings, held.changed_bookings) == ([], [(HELD, Position(0, 0))], [])
    sold = net_of(BookingConfirmed(SOLD))
    assert sold.claims == [(SHOW, 1, Claim("s", HELD.booking_id)), (SHOW, 2, Claim("s", HELD.booking_id))]
    assert (sold.freed, sold.new_bookings, sold.changed_bookings) == ([], [(SOLD, Position(0, 0))], [])


def test_a_confirmed_hold_of_an_earlier_batch_replaces_its_claims() -> None:
    net = net_of(
        BookingConfirmed(SOLD),
        command=ConfirmBooking(command_id=UUID(int=9), show_id=SHOW, booking_id=HELD.booking_id),
    )
    assert net.freed == [(SHOW, 1), (SHOW, 2)]
    assert net.claims == [(SHOW, 1, Claim("s", HELD.booking_id)), (SHOW, 2, Claim("s", HELD.booking_id))]
    assert (net.new_bookings, net.changed_bookings) == ([], [(SOLD, Position(0, 0))])


@pytest.mark.parametrize(
    "event",
    [
        BookingCancelled(ended(SOLD, BookingStatus.CANCELLED)),
        HoldReleased(ended(HELD, BookingStatus.RELEASED)),
        HoldExpired(ended(HELD, BookingStatus.EXPIRED)),
    ],
)
def test_the_end_of_a_booking_frees_its_seats(
    event: BookingCancelled | HoldReleased | HoldExpired,
) -> None:
    net = net_of(event)
    assert (net.freed, net.claims) == ([(SHOW, 1), (SHOW, 2)], [])
    assert (net.new_bookings, net.changed_bookings) == ([], [(event.booking, Position(0, 0))])
    assert net.ended() == net.changed_bookings


def test_a_booking_that_ends_in_the_batch_of_its_begin_has_no_claim() -> None:
    gone = ended(HELD, BookingStatus.RELEASED)
    net = net_of(BookingHeld(HELD), HoldReleased(gone))
    assert (net.freed, net.claims) == ([], [])
    assert (net.new_bookings, net.changed_bookings) == ([(gone, Position(0, 1))], [])
    assert net.ended() == net.new_bookings


def test_blocked_seats_are_claims_without_a_booking() -> None:
    net = net_of(SeatsBlocked(SHOW, ("2", "1")))
    assert (net.freed, net.claims) == ([], [(SHOW, 0, Claim("b", None)), (SHOW, 1, Claim("b", None))])
    net = net_of(SeatsUnblocked(SHOW, ("2", "1")))
    assert (net.freed, net.claims) == ([(SHOW, 0), (SHOW, 1)], [])
    net = net_of(SeatsBlocked(SHOW, ("1",)), SeatsUnblocked(SHOW, ("1", "2")))
    assert (net.freed, net.claims) == ([(SHOW, 1)], [])


def test_a_check_in_changes_a_booking_and_no_seat() -> None:
    used = msgspec.structs.replace(SOLD, checked_in={"2": 7})
    net = net_of(TicketCheckedIn(used, "2"))
    assert (net.freed, net.claims, net.changed_bookings) == ([], [], [(used, Position(0, 0))])


def test_rows_are_ordered_by_id() -> None:
    net = net_of(
        BookingConfirmed(SOLD),
        TicketCheckedIn(SOLD, "2"),
        BookingConfirmed(OTHER),
        SeatsUnblocked(SHOW, ("5",)),
        SeatsUnblocked(SHOW - 1, ("4", "3")),
    )
    assert [row[:2] for row in net.claims] == [(SHOW - 1, 0), (SHOW - 1, 5), (SHOW, 1), (SHOW, 2)]
    assert net.freed == [(SHOW - 1, 2), (SHOW - 1, 3), (SHOW, 4)]
    assert net.new_bookings == [(OTHER, Position(0, 2)), (SOLD, Position(0, 1))]


def test_shows_that_are_opened_and_shows_whose_terms_change_are_told_apart() -> None:
    opened = net_of(ShowOpened(SHOW, ShowStatus.OPEN, TERMS), BookingConfirmed(SOLD))
    assert (opened.opened, opened.terms_changed) == ({SHOW}, set())
    assert [booking for booking, _ in opened.new_bookings] == [SOLD]
    for kind in (ShowChanged, ShowClosed, ShowReopened, ShowCancelled):
        net = net_of(kind(SHOW, ShowStatus.OPEN, TERMS), BookingConfirmed(SOLD))
        assert (net.opened, net.terms_changed) == (set(), {SHOW})
        assert [booking for booking, _ in net.new_bookings] == [SOLD]


def test_every_event_of_a_decision_counts() -> None:
    decision = Decision(
        events=(
            SeatsBlocked(SHOW, ("4",)),
            ShowOpened(SHOW, ShowStatus.OPEN, TERMS),
            TicketCheckedIn(SOLD, "2"),
            ShowClosed(SHOW - 1, ShowStatus.CLOSED, TERMS),
            HoldExpired(ended(HELD, BookingStatus.EXPIRED)),
            BookingConfirmed(RESOLD),
        )
    )
    record = DecidedRecord(Position(0, 5), 0, b"", COMMAND, decision, encode(decision), True)
    net = fold([record], {SHOW: SEATING})
    assert net.freed == [(SHOW, 1), (SHOW, 2)]
    assert [row[:2] for row in net.claims] == [(SHOW, 0), (SHOW, 3), (SHOW, 5)]
    assert (net.opened, net.terms_changed) == ({SHOW}, {SHOW - 1})
    assert net.new_bookings == [(RESOLD, Position(0, 5))]
    assert [booking.status for booking, _ in net.changed_bookings] == [BookingStatus.EXPIRED]


@pytest.mark.parametrize(
    ("decision", "first"),
    [
        (Decision(events=(BookingConfirmed(SOLD),), about_last=True), True),
        (Decision(Reason.SEAT_TAKEN, ("1",)), True),
        (Decision(booking_apart=SOLD, repeats=Position(0, 3)), False),
        (Decision(Reason.SEAT_TAKEN, ("1",), repeats=Position(0, 3)), False),
        (Decision(Reason.KEY_REUSED), False),
    ],
)
def test_a_stored_decision_is_the_first_of_its_id_unless_it_repeats_one(
    decision: Decision, first: bool
) -> None:
    body, answer = encode(COMMAND), encode(decision)
    stored = DecidedRecord.stored(3, 17, 5, body, answer)
    assert stored == DecidedRecord(Position(3, 17), 5, body, COMMAND, decision, answer, first)


@pytest.mark.parametrize("body", [b"", b'{"type":"ChangeSeats"}', b'"\xff"', b"[" * 100_000])
def test_a_stored_record_that_is_not_a_command_is_no_first_use_of_an_id(body: bytes) -> None:
    answer = encode(Decision(Reason.MALFORMED))
    stored = DecidedRecord.stored(3, 17, 5, body, answer)
    assert (stored.command, stored.first, stored.body) == (None, False, body)
