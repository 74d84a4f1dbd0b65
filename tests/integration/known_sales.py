"""A known set of bookings: decisions as writers store them, and what reports should say of them, reckoned plainly."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from schemas.commands import BookSeats, CancelBooking, CancelShow, Command
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    Reason,
)
from schemas.wire import encode

STAFF = 900
_BEGAN = datetime(2026, 10, 20, tzinfo=UTC)
_ZONES = ("UTC", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Kiritimati")
_CURRENCIES = ("EUR", "JPY")


class Show(NamedTuple):
    """A show of the set."""

    show_id: int
    movie_id: int
    screen_name: str
    timezone: str
    currency: str


class Move(NamedTuple):
    """One booking that was confirmed or cancelled."""

    show: Show
    day: date
    user_id: int
    seats: int
    amount: int
    who: str
    """Empty when it was confirmed; else `customer`, `staff` or `show`."""


class KnownSales:
    """Some hundred decisions, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.shows = [
            Show(n, n % 3 + 1, f"Screen {n % 4}", _ZONES[n % 4], _CURRENCIES[n % 5 == 0])
            for n in range(1, 13)
        ]
        self.moves: list[Move] = []
        self._offsets = dict.fromkeys((0, 1, 2), 0)
        self._live: list[tuple[Show, Booking]] = []
        self._at = _BEGAN

    async def store(self, database: asyncpg.Connection) -> None:
        """The catalogue and the customers; no bookings yet."""
        await database.execute(
            "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, 'd', 500, '')"
        )
        await database.executemany(
            "INSERT INTO movies (movie_id, title, duration_minutes) VALUES ($1, $2, 90)",
            [(n, f"Movie {n}") for n in (1, 2, 3)],
        )
        await database.executemany(
            "INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer,"
            " partition) VALUES ($1, $2, $3, $4, $5, 1, 10, $6)",
            [
                (s.show_id, s.movie_id, s.screen_name, _BEGAN + timedelta(days=60), s.timezone, s.show_id % 3)
                for s in self.shows
            ],
        )
        await database.executemany(
            "INSERT INTO users (user_id, username) VALUES ($1, $2)", [(n, f"user{n}") for n in range(1, 40)]
        )
        await database.execute(
            "INSERT INTO partitions (partition, epoch) SELECT n, 1 FROM generate_series(0, 2) n"
        )

    async def go_on(self, database: asyncpg.Connection, decisions: int) -> None:
        """Adds as many decisions, of which some confirm or cancel."""
        rows = [self._decide() for _ in range(decisions)]
        await database.executemany("INSERT INTO decisions VALUES ($1, $2, $3, $4, $5, 1)", rows)

    def _decide(self) -> tuple[int, int, int, bytes, bytes]:
        dice = self._dice
        self._at += timedelta(seconds=dice.randrange(3600))
        at_ms = int(self._at.timestamp() * 1000)
        kind = dice.choices(("book", "cancel", "hold", "refuse", "junk"), (60, 20, 8, 8, 4))[0]
        show = dice.choice(self.shows)
        user_id = dice.randrange(1, 45)  # some have no account any more
        command: Command
        if kind == "cancel" and self._live:
            show, booking = self._live.pop(dice.randrange(len(self._live)))
            who = dice.choice(("customer", "staff", "show"))
            asks = {"customer": booking.user_id, "staff": STAFF, "show": 0}[who]
            ids: dict[str, Any] = {"command_id": self._id(), "show_id": show.show_id, "user_id": asks}
            command = (
                CancelShow(**ids) if who == "show" else CancelBooking(booking_id=booking.booking_id, **ids)
            )
            decision = Decision(events=(BookingCancelled(booking),), about_last=True)
            self._note(show, booking, who)
        else:
            seats = tuple(f"A{n}" for n in range(1, dice.randrange(2, 6)))
            booking = Booking(
                self._id(),
                show.show_id,
                user_id,
                BookingStatus.CONFIRMED,
                seats,
                750 * len(seats),
                show.currency,
                at_ms,
            )
            command = BookSeats(
                command_id=self._id(),
                show_id=show.show_id,
                user_id=user_id,
                booking_id=booking.booking_id,
                seats=seats,
            )
            match kind:
                case "hold":
                    decision = Decision(events=(BookingHeld(booking),), about_last=True)
                case "refuse":
                    decision = Decision(Reason.SEAT_TAKEN, seats=seats)
                case "junk":
                    decision = Decision(Reason.MALFORMED)
                case _:
                    decision = Decision(events=(BookingConfirmed(booking),), about_last=True)
                    self._note(show, booking, "")
                    self._live.append((show, booking))
        partition = show.show_id % 3
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        body = b"\x00\xff" if kind == "junk" else encode(command)
        return partition, offset, at_ms, body, encode(decision)

    def _note(self, show: Show, booking: Booking, who: str) -> None:
        day = self._at.astimezone(ZoneInfo(show.timezone)).date()
        self.moves.append(Move(show, day, booking.user_id, len(booking.seats), booking.total, who))

    def _id(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128))

    def within(self, first: date | None, last: date | None) -> list[Move]:
        """What happened from the first day to the last, both included."""
        return [m for m in self.moves if (not first or m.day >= first) and (not last or m.day <= last)]


def added_up(moves: Iterable[Move], key: Any) -> dict[Any, dict[str, int]]:
    """Figures by whatever `key` makes of a move, and currency."""
    sums: dict[Any, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for move in moves:
        figures = sums[key(move), move.show.currency]
        figures["by_" + move.who if move.who else "bookings"] += 1
        figures["cancelled_bookings"] += bool(move.who)
        figures["cancelled_seats" if move.who else "seats"] += move.seats
        figures["cancelled" if move.who else "gross"] += move.amount
    return sums
