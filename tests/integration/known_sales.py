"""A known set of bookings: decisions as seat workers store them, and the figures that reports must have."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from schemas.commands import BookSeats, CancelBooking, CancelShow, ChangeSeats, Command, SwapSeats
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    Reason,
    SeatsSwapped,
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
    """One booking that was confirmed, changed or cancelled."""

    show: Show
    day: date
    user_id: int
    seats: int
    amount: int
    cancelled_by: str
    """Empty unless it was cancelled; else `customer`, `staff` or `show`."""
    changed: bool = False
    """Whether a confirmed booking got other seats: `seats` and `amount` are the differences."""


class KnownSales:
    """Some hundred decisions, the same for the same seed. `changes`: also changed seats, swaps and walk-ins."""

    def __init__(self, seed: int, *, changes: bool = True) -> None:
        self._changes = changes
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
        """Stores the catalogue and the customers, without bookings."""
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

    async def add_decisions(self, database: asyncpg.Connection, decisions: int) -> None:
        """Stores this number of further decisions; some confirm or cancel bookings."""
        rows = [self._decide() for _ in range(decisions)]
        await database.executemany("INSERT INTO decisions VALUES ($1, $2, $3, $4, $5, 1)", rows)

    def _decide(self) -> tuple[int, int, int, bytes, bytes]:
        dice = self._dice
        self._at += timedelta(seconds=dice.randrange(3600))
        at_ms = int(self._at.timestamp() * 1000)
        kind = dice.choices(("book", "cancel", "hold", "refuse", "junk"), (60, 20, 8, 8, 4))[0]
        show = dice.choice(self.shows)
        user_id = dice.randrange(1, 45)  # some accounts do not exist
        if self._changes:
            kind = dice.choices((kind, "change", "swap"), (60, 20, 10))[0]
            user_id *= dice.random() < 0.9  # 0: a walk-in
        command: Command
        if kind == "cancel" and self._live:
            show, booking = self._live.pop(dice.randrange(len(self._live)))
            cancelled_by = dice.choice(("customer", "staff", "show"))
            sender = {"customer": booking.user_id, "staff": STAFF, "show": 0}[cancelled_by]
            ids: dict[str, Any] = {"command_id": self._id(), "show_id": show.show_id, "user_id": sender}
            command = (
                CancelShow(**ids)
                if cancelled_by == "show"
                else CancelBooking(booking_id=booking.booking_id, **ids)
            )
            decision = Decision(events=(BookingCancelled(booking),), about_last=True)
            self._note(show, booking, cancelled_by)
        elif kind == "change" and self._live:
            show, command, decision = self._changed(at_ms)
        elif kind == "swap" and len(self._live) > 1:
            show, command, decision = self._swapped()
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
                user_id=user_id or STAFF,
                booking_id=booking.booking_id,
                seats=seats,
                staff=not user_id,
                walk_in=not user_id,
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

    def _changed(self, at_ms: int) -> tuple[Show, Command, Decision]:
        """Other seats for a booking, some of them dearer; one in five is held, and moves nothing."""
        place = self._dice.randrange(len(self._live))
        show, before = self._live[place]
        seats = tuple(f"B{n}" for n in range(1, self._dice.randrange(2, 6)))
        total = self._dice.choice((750, 900)) * len(seats)
        if self._dice.random() < 0.2:
            before = msgspec.structs.replace(before, status=BookingStatus.HELD, expires_ms=at_ms + 1)
        after = msgspec.structs.replace(before, seats=seats, total=total)
        if after.status is BookingStatus.CONFIRMED:
            self._live[place] = show, after
            self._note_change(show, before, after)
        command = ChangeSeats(
            command_id=self._id(),
            show_id=show.show_id,
            user_id=before.user_id,
            booking_id=before.booking_id,
            seats=seats,
        )
        event = BookingChanged(after, before.seats, before.total)
        return show, command, Decision(events=(event,), about_last=True)

    def _swapped(self) -> tuple[Show, Command, Decision]:
        """Exchanged seats of two bookings: of one customer, of two, or with a walk-in."""
        first = self._dice.randrange(len(self._live))
        show, one = self._live[first]
        others = [
            place for place, (its_show, _) in enumerate(self._live) if its_show is show and place != first
        ]
        if not others:
            return show, self._command(show), Decision(Reason.NOT_FOUND)
        second = self._dice.choice(others)
        other = self._live[second][1]
        after = msgspec.structs.replace(one, seats=other.seats, total=other.total)
        other_after = msgspec.structs.replace(other, seats=one.seats, total=one.total)
        self._live[first], self._live[second] = (show, after), (show, other_after)
        self._note_change(show, one, after)
        self._note_change(show, other, other_after)
        return (
            show,
            self._command(show),
            Decision(events=(SeatsSwapped(after, other_after),), about_last=True),
        )

    def _command(self, show: Show) -> SwapSeats:
        return SwapSeats(
            command_id=self._id(),
            show_id=show.show_id,
            user_id=STAFF,
            staff=True,
            booking_id=self._id(),
            with_booking_id=self._id(),
        )

    def _note(self, show: Show, booking: Booking, cancelled_by: str) -> None:
        self.moves.append(
            Move(show, self._day(show), booking.user_id, len(booking.seats), booking.total, cancelled_by)
        )

    def _note_change(self, show: Show, before: Booking, after: Booking) -> None:
        seats, amount = len(after.seats) - len(before.seats), after.total - before.total
        if seats or amount:
            self.moves.append(Move(show, self._day(show), after.user_id, seats, amount, "", changed=True))

    def _day(self, show: Show) -> date:
        return self._at.astimezone(ZoneInfo(show.timezone)).date()

    def _id(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128))

    def within(self, first: date | None, last: date | None) -> list[Move]:
        """Returns the moves from the first day to the last, both included."""
        return [m for m in self.moves if (not first or m.day >= first) and (not last or m.day <= last)]


def added_up(moves: Iterable[Move], key: Any) -> dict[Any, dict[str, int]]:
    """Returns the sums of the moves, by `key(move)` and currency."""
    sums: dict[Any, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for move in moves:
        figures = sums[key(move), move.show.currency]
        if not move.changed:
            figures["by_" + move.cancelled_by if move.cancelled_by else "bookings"] += 1
        figures["cancelled_bookings"] += bool(move.cancelled_by)
        figures["cancelled_seats" if move.cancelled_by else "seats"] += move.seats
        figures["cancelled" if move.cancelled_by else "gross"] += move.amount
    return sums
