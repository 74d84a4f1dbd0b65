"""A batch folded into net changes equals the same decisions written one by one."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

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
from schemas.ids import Position
from schemas.layout import Money, Seating, numbered
from schemas.wire import encode
from seat_workers.fold import Claim, DecidedRecord, fold
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
