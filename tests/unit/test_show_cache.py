"""The cache of shows lends each show its ended bookings that commands name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import pytest

from schemas.commands import CancelBooking, Command, SwapSeats
from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.ids import Position
from schemas.layout import Money, numbered
from schemas.seating import Seating
from seat_workers.show_cache import ShowCache
from tests.simulation.database import Database, ShowStateRow
from tests.simulation.fake_ledger import FakeLedger

T = TypeVar("T")

ENDED = UUID(int=7)


class Direct:
    """A connection without delays and faults."""

    async def connect(self) -> None:
        pass

    async def call(self, effect: Callable[[], T], takes_s: float = 0.0) -> T:
        return effect()

    async def commit(self, effect: Callable[[], T]) -> T:
        return effect()


def two_shows() -> Database:
    """Shows 1 and 2, and a booking of show 2 that was cancelled."""
    database = Database()
    database.layouts["digest"] = Seating(numbered(4, Money(500, "EUR")))
    terms = Terms(layout_id=1, layout_digest="digest", starts_ms=10**13, seats_per_customer=10)
    for show_id in (1, 2):
        database.show_states[show_id] = ShowStateRow(0, ShowStatus.OPEN, terms, 0, 4)
    booking = Booking(ENDED, 2, 5, BookingStatus.CANCELLED, ("1",), 500, "EUR", 0)
    database.bookings[ENDED] = (booking, Position(0, 1))
    return database


CANCEL = CancelBooking(command_id=UUID(int=1), show_id=2, user_id=5, booking_id=ENDED)
SWAP = SwapSeats(
    command_id=UUID(int=2), show_id=1, user_id=9, staff=True, booking_id=UUID(int=8), with_booking_id=ENDED
)


@pytest.mark.parametrize("commands", [(CANCEL, SWAP), (SWAP, CANCEL)])
def test_an_ended_booking_is_lent_to_its_show_if_a_command_on_another_show_names_it(
    commands: tuple[Command, ...],
) -> None:
    async def run() -> None:
        cache = ShowCache(FakeLedger(two_shows(), Direct()))
        await cache.load_for([(0, command) for command in commands])
        first, second = cache.find(0, 1), cache.find(0, 2)
        assert first is not None
        assert second is not None
        assert (ENDED in first.ended, ENDED in second.ended) == (False, True)
        cache.drop_borrowed()
        assert not second.ended

    asyncio.run(run())
