"""The staff of a run: opens shows, sells at the counter, blocks, swaps, changes and cancels, and checks tickets in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from gateway.commands.outcomes import StoredDecision
from schemas.commands import (
    MAX_SEATS_OF_STAFF,
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    HoldSeats,
    OpenShow,
    ReopenShow,
    ScanTicket,
    SwapSeats,
    UnblockSeats,
    UndoCheckIn,
)
from schemas.events import Booking, Reason
from schemas.ids import new_booking_id
from tests.simulation.clients import Build, Client
from tests.simulation.clocks import clock_ms

STAFF = 99
DAY_MS = 24 * 3600 * 1000
STARTS_IN_MS = (20_000, DAY_MS + 3_000, 10**10, 10**10, 10**10, 10**10)
"""How long before their start shows are opened. Companion seats are kept until a day before it."""
STAFF_HOLD_MS = (1_500, 4_000, 3 * DAY_MS)


class Staff(Client):
    """Staff with all rights."""

    async def open_shows(self) -> None:
        """Opens all shows, as often as it takes."""
        await asyncio.gather(*[self.open_show(show) for show in self.instance.shows])

    async def open_show(self, show: int) -> None:
        random = self.random
        starts_ms = clock_ms(self.instance) + random.choice(STARTS_IN_MS)
        payment: Any = "required" if random.random() < 0.1 else "none"
        while True:
            answer = await self.send(
                lambda command_id: OpenShow(
                    command_id=command_id,
                    show_id=show,
                    user_id=self.user_id,
                    staff=True,
                    layout_id=1,
                    layout_digest=self.instance.hall.digest,
                    starts_ms=starts_ms,
                    seats_per_customer=random.choice((3, 10)),
                    payment=payment,
                )
            )
            if isinstance(answer, StoredDecision) and answer.decision.reason is not Reason.INTERNAL_ERROR:
                return
            await asyncio.sleep(0.5)

    async def run(self, requests: int) -> None:
        for _ in range(requests):
            await asyncio.sleep(self.random.expovariate(1 / self.instance.think_s))
            await self.send(self._random_command(), keyed=self.random.random() < 0.5)
            if self.random.random() < 0.2:
                await self.repeat()

    def choices(self) -> list[tuple[Callable[[], Build], float]]:
        """The requests that staff may send, with their weights."""
        return [
            (self.block, 0.15),
            (self.unblock, 0.1),
            (lambda: self.of_show(CloseShow), 0.07),
            (lambda: self.of_show(ReopenShow), 0.1),
            (self.change_limit, 0.05),
            (lambda: self.of_show(CancelShow), 0.03),
            (self.sell, 0.12),
            (self.swap, 0.2),
            (self.change_seats, 0.08),
            (self.check_in, 0.03),
            (self.scan, 0.12),
            (self.undo_check_in, 0.03),
            (self.cancel, 0.05),
        ]

    def _random_command(self) -> Build:
        makers, weights = zip(*self.choices(), strict=True)
        make: Callable[[], Build] = self.random.choices(makers, weights)[0]
        return make()

    def of_show(self, kind: type[Any], **more: Any) -> Build:
        """Makes commands on one of the shows, unless `more` names it."""
        more = {"show_id": self.random.choice(self.instance.shows)} | more
        return lambda command_id: kind(command_id=command_id, user_id=self.user_id, staff=True, **more)

    def _seats(self) -> tuple[str, ...]:
        return tuple(self.random.sample(self.instance.hall.labels, self.random.choice((1, 2))))

    def _known_bookings(self) -> list[Booking]:
        """The bookings that clients have seen, in the statuses they last saw."""
        clients = (self, *self.instance.customers)
        return [booking for client in clients for booking in client.bookings]

    def block(self) -> Build:
        """Blocks seats, at times with a code and a time of release."""
        random = self.random
        given: dict[str, Any] = {"seats": self._seats()}
        if random.random() < 0.5:
            given["code"] = random.choice(("press", "house"))
        if random.random() < 0.5:
            given["release_ms"] = clock_ms(self.instance) + random.choice((-100, 500, 2_000, 5_000, DAY_MS))
        return self.of_show(BlockSeats, **given)

    def unblock(self) -> Build:
        return self.of_show(UnblockSeats, seats=self._seats())

    def change_limit(self) -> Build:
        return self.of_show(ChangeShow, seats_per_customer=self.random.choice((1, 3, 10)))

    def sell(self) -> Build:
        """Books or holds seats for a walk-in, or for a customer."""
        random, instance = self.random, self.instance
        show = random.choice(instance.shows)
        sold: dict[str, Any] = {
            "seats": self._seats(),
            "max_seats": MAX_SEATS_OF_STAFF,
            "paid": random.random() < 0.6,
            "noted": random.random() < 0.2,
            "yours": True,
        }
        if random.random() < 0.5:
            sold["walk_in"] = True
        else:
            sold |= {
                "customer_id": random.choice(instance.customers).user_id if instance.customers else 1,
                "lift_limit": random.random() < 0.5,
            }
        hold_ms = random.choice((None, None, *STAFF_HOLD_MS))
        make: Callable[..., Command] = BookSeats
        if hold_ms is not None:
            make, sold["hold_ms"] = HoldSeats, hold_ms

        def build(command_id: UUID) -> Command:
            booking_id = new_booking_id(show, clock_ms(instance), random.getrandbits(42))
            return self.of_show(make, show_id=show, booking_id=booking_id, **sold)(command_id)  # type: ignore[arg-type]

        return build

    def swap(self) -> Build:
        """Exchanges the seats of two bookings; rarely of one with itself, or of two shows."""
        bookings = self._known_bookings()
        if not bookings:
            return self.sell()
        one, draw = self.pick(bookings), self.random.random()
        others = [
            other
            for other in bookings
            if (other.show_id == one.show_id) == (draw > 0.05)
            and (other.booking_id != one.booking_id or draw > 0.95)
        ]
        other = self.pick(others or bookings)
        return self.of_show(
            SwapSeats, show_id=one.show_id, booking_id=one.booking_id, with_booking_id=other.booking_id
        )

    def change_seats(self) -> Build:
        """Gives a booking other seats, perhaps more or fewer."""
        bookings = self._known_bookings()
        if not bookings:
            return self.sell()
        booking = self.pick(bookings)
        seats = self._seats() if self.random.random() < 0.5 else self.other_seats(booking.seats)
        return self.of_show(
            ChangeSeats,
            show_id=booking.show_id,
            booking_id=booking.booking_id,
            seats=seats,
            max_seats=MAX_SEATS_OF_STAFF,
        )

    def check_in(self) -> Build:
        bookings = self._known_bookings()
        if not bookings:
            return self.of_show(ReopenShow)
        booking = self.pick(bookings)
        return self.of_show(
            CheckIn,
            show_id=booking.show_id,
            booking_id=booking.booking_id,
            seat=self.random.choice(booking.seats),
        )

    def scan(self) -> Build:
        """Scans a ticket, perhaps late, at another show's door or of a seat that the booking does not have."""
        bookings = self._known_bookings()
        if not bookings:
            return self.of_show(ReopenShow)
        random, booking = self.random, self.pick(bookings)
        scanned: dict[str, Any] = {"gate": random.choice((None, "north", "south"))}
        if random.random() < 0.4:
            scanned["at_ms"] = clock_ms(self.instance) + random.choice((-5_000, -500, 0, 5_000))
        if random.random() < 0.3:
            scanned["wanted_show_id"] = random.choice(self.instance.shows)
        if random.random() < 0.1:
            scanned["unsigned_until_ms"] = clock_ms(self.instance) - random.choice((0, 3_000))
        return self.of_show(
            ScanTicket,
            show_id=booking.show_id,
            booking_id=booking.booking_id,
            seat_index=self._index_of_seat(booking),
            runs_ms=random.choice((0, 10_000, 10**10)),
            **scanned,
        )

    def undo_check_in(self) -> Build:
        bookings = self._known_bookings()
        if not bookings:
            return self.of_show(ReopenShow)
        booking = self.pick(bookings)
        return self.of_show(
            UndoCheckIn,
            show_id=booking.show_id,
            booking_id=booking.booking_id,
            seat_index=self._index_of_seat(booking),
        )

    def _index_of_seat(self, booking: Booking) -> int:
        labels = self.instance.hall.labels
        if self.random.random() < 0.05:
            return self.random.randrange(len(labels) + 1)
        return labels.index(self.random.choice(booking.seats))

    def cancel(self) -> Build:
        bookings = self._known_bookings()
        if not bookings:
            return self.of_show(ReopenShow)
        booking = self.pick(bookings)
        return self.of_show(CancelBooking, show_id=booking.show_id, booking_id=booking.booking_id)
