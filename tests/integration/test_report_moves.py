"""The figures of one decision, which reports add up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from gateway.catalogue.zones import read_zones
from gateway.reports.figures import ReportFigures
from gateway.reports.groups import sales
from gateway.reports.query import Period, ReportReader
from schemas.commands import BookSeats, CancelBooking, ChangeSeats, Command, SwapSeats
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingStatus,
    Decision,
    Event,
    HoldExpired,
    SeatsSwapped,
)
from schemas.wire import encode
from tests.integration.known_sales import KnownSales

ONE = Booking(UUID(int=1), 7, 3, BookingStatus.CONFIRMED, ("A1", "A2"), 2_000, "EUR", 1)
OTHER = Booking(UUID(int=2), 7, 4, BookingStatus.CONFIRMED, ("B1",), 1_500, "EUR", 1)
COMMAND = ChangeSeats(command_id=UUID(int=9), show_id=7, user_id=3, booking_id=UUID(int=1), seats=())

_MOVES = """
    SELECT user_id, bookings, seats, gross, cancelled_bookings, cancelled_seats, cancelled
      FROM report_moves_v2(0, $1, $2)"""


async def moves(database: asyncpg.Connection, *events: Event, command: Command = COMMAND) -> list[Any]:
    answer = encode(Decision(events=events))
    return [tuple(row) for row in await database.fetch(_MOVES, encode(command), answer)]


async def store(
    database: asyncpg.Connection,
    *events: Event,
    first: int = 0,
    at: datetime = datetime(2026, 10, 20, tzinfo=UTC),
) -> None:
    """Stores a decision of each event, from the position 0-`first` on."""
    ids: dict[str, Any] = {"command_id": UUID(int=9), "show_id": 7, "user_id": 3, "booking_id": UUID(int=1)}
    await database.execute("INSERT INTO partitions (partition, epoch) VALUES (0, 1) ON CONFLICT DO NOTHING")
    commands: dict[type[Event], Command] = {
        BookingConfirmed: BookSeats(**ids),
        BookingChanged: COMMAND,
        SeatsSwapped: SwapSeats(**ids, with_booking_id=UUID(int=2)),
        BookingCancelled: CancelBooking(**ids),
    }
    await database.executemany(
        "INSERT INTO decisions VALUES (0, $1, $2, $3, $4, 2)",
        [
            (n, int(at.timestamp() * 1000), encode(commands[type(event)]), encode(Decision(events=(event,))))
            for n, event in enumerate(events, first)
        ],
    )


def changed(booking: Booking, **fields: Any) -> BookingChanged:
    return BookingChanged(msgspec.structs.replace(booking, **fields), booking.seats, booking.total)


def swapped(one: Booking, other: Booking) -> SeatsSwapped:
    return SeatsSwapped(
        msgspec.structs.replace(one, seats=other.seats, total=other.total),
        msgspec.structs.replace(other, seats=one.seats, total=one.total),
    )


@pytest.mark.parametrize(
    ("seats", "total", "move"),
    [
        (("A1", "A2", "A3"), 3_500, (3, 0, 1, 1_500, 0, 0, 0)),
        (("A9",), 500, (3, 0, -1, -1_500, 0, 0, 0)),
        (("A1", "A9"), 2_500, (3, 0, 0, 500, 0, 0, 0)),
    ],
)
async def test_a_confirmed_booking_with_other_seats_moves_the_difference(
    database: asyncpg.Connection, seats: tuple[str, ...], total: int, move: tuple[int, ...]
) -> None:
    assert await moves(database, changed(ONE, seats=seats, total=total)) == [move]


async def test_other_seats_at_the_same_price_move_nothing(database: asyncpg.Connection) -> None:
    assert await moves(database, changed(ONE, seats=("A8", "A9"))) == []
    assert await moves(database, swapped(ONE, msgspec.structs.replace(ONE, booking_id=UUID(int=5)))) == []


async def test_a_swap_moves_the_differences_of_both_bookings(database: asyncpg.Connection) -> None:
    assert sorted(await moves(database, swapped(ONE, OTHER))) == [
        (3, 0, -1, -500, 0, 0, 0),
        (4, 0, 1, 500, 0, 0, 0),
    ]


async def test_holds_move_nothing(database: asyncpg.Connection) -> None:
    held = {"status": BookingStatus.HELD, "expires_ms": 9}
    hold = msgspec.structs.replace(ONE, **held)
    other_hold = msgspec.structs.replace(OTHER, **held)
    assert await moves(database, changed(hold, seats=("A9",), total=1)) == []
    assert await moves(database, swapped(hold, other_hold)) == []
    assert await moves(database, swapped(hold, OTHER)) == [(4, 0, 1, 500, 0, 0, 0)]
    assert await moves(database, swapped(OTHER, hold)) == [(4, 0, 1, 500, 0, 0, 0)]


async def test_every_event_of_a_decision_counts(database: asyncpg.Connection) -> None:
    expired = HoldExpired(msgspec.structs.replace(OTHER, status=BookingStatus.EXPIRED))
    assert await moves(database, expired, changed(ONE, seats=("A9",), total=500)) == [
        (3, 0, -1, -1_500, 0, 0, 0)
    ]
    cancel = CancelBooking(command_id=UUID(int=9), show_id=7, user_id=3, booking_id=UUID(int=1))
    found = await moves(database, BookingConfirmed(OTHER), BookingCancelled(ONE), command=cancel)
    assert found == [(4, 1, 1, 1_500, 0, 0, 0), (3, 0, 0, 0, 1, 2, 2_000)]


async def test_events_of_a_later_release_are_passed_over(database: asyncpg.Connection) -> None:
    for event in (
        b'{"type":"SeatsSwappedAgain","booking":7,"other":"x"}',
        b'{"type":"BookingChangedBack","booking":["SeatsSwapped"],"old_seats":4}',
        b'{"type":{"BookingC":1},"note":"\\u0000 SeatsSwapped"}',
    ):
        answer = b'{"events":[%b,%b]}' % (event, encode(changed(ONE, seats=("A9",), total=500)))
        assert [tuple(row) for row in await database.fetch(_MOVES, b"{}", answer)] == [
            (3, 0, -1, -1_500, 0, 0, 0)
        ]


async def test_decisions_of_release_1_add_what_they_added_there(database: asyncpg.Connection) -> None:
    known = KnownSales(seed=3, changes=False)
    await known.store(database)
    await known.add_decisions(database, 300)
    v1, v2 = [
        await database.fetch(
            "SELECT m.* FROM decisions d"
            f" CROSS JOIN LATERAL report_moves_v{version}(d.at_ms, d.command, d.answer) m"
            " ORDER BY d.partition, d.log_offset"
        )
        for version in (1, 2)
    ]
    assert len(v1) == len(known.moves)
    assert v2 == v1


async def test_changed_bookings_that_are_cancelled_leave_nothing(
    database: asyncpg.Connection, database_url: str
) -> None:
    change = changed(ONE, seats=("A1", "A2", "A3"), total=3_500)
    swap = swapped(change.booking, OTHER)
    ended = [
        msgspec.structs.replace(one, status=BookingStatus.CANCELLED) for one in (swap.booking, swap.other)
    ]
    await store(database, BookingConfirmed(ONE), BookingConfirmed(OTHER), change, swap)
    await store(database, *(BookingCancelled(one) for one in ended), first=4)
    figures = "SELECT sum(seats) AS seats, sum(cancelled_seats) AS cancelled_seats FROM report_sales_now"
    assert tuple(await database.fetchrow(figures)) == (4, 4)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        await ReportFigures(pool, await read_zones(pool, "UTC")).catch_up()
    assert tuple(await database.fetchrow(figures)) == (4, 4)
    stored = "SELECT bookings, seats, gross, cancelled_bookings, cancelled_seats, cancelled FROM report_sales"
    assert tuple(await database.fetchrow(stored)) == (2, 4, 5_000, 2, 4, 5_000)
    customers = "SELECT user_id, bookings, seats, gross, cancelled FROM report_customers ORDER BY 1"
    assert [tuple(row) for row in await database.fetch(customers)] == [
        (3, 1, 1, 1_500, 1_500),
        (4, 1, 3, 3_500, 3_500),
    ]


async def test_a_day_has_a_row_for_other_seats_and_none_for_exchanged_ones(
    database: asyncpg.Connection, database_url: str
) -> None:
    days = [datetime(2026, 10, day, tzinfo=UTC) for day in (20, 21, 22)]
    swap = swapped(ONE, OTHER)
    swapped_back = (swap.booking, swap.other)
    cheaper = changed(ONE, seats=("A9",), total=500)
    await store(database, BookingConfirmed(ONE), BookingConfirmed(OTHER), at=days[0])
    await store(database, swap, swapped(*swapped_back), first=2, at=days[1])
    await store(database, cheaper, first=4, at=days[2])
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        reader = ReportReader(pool, ReportFigures(pool, await read_zones(pool, "UTC")))
        page = await reader.page(sales("day", Period(None, None)), 9, None)
    assert [(row.day, row.bookings, row.seats, row.net.amount) for row in page.items] == [
        ("2026-10-20", 2, 3, 3_500),
        ("2026-10-22", 0, -1, -1_500),
    ]
    assert [(row.seats, row.net.amount) for row in page.totals] == [(2, 2_000)]
