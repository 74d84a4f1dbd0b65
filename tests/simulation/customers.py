"""The customers of a run: they take seats, confirm, extend, change and cancel, and rush for the same seats."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from gateway.commands.outcomes import StoredDecision
from schemas.commands import (
    BookSeats,
    CancelBooking,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
)
from schemas.events import Booking, BookingStatus
from schemas.ids import new_booking_id
from schemas.layout import Money
from tests.simulation.clients import Build, Client
from tests.simulation.clocks import clock_ms
from tests.simulation.halls import CURRENCY

HOLD_MS = (1_000, 1_500, 4_000, 4_000, 1_797_000)
"""Lengths of holds. The longest is a little under the 30 minutes up to which a hold can be extended."""


class Customer(Client):
    """A customer with an account."""

    async def run(self, requests: int) -> None:
        for _ in range(requests):
            await asyncio.sleep(self.random.expovariate(1 / self.instance.think_s))
            await self.act(self.random.random())

    def mine(self) -> list[Booking]:
        """The customer's bookings that the customer and staff have seen."""
        seen = (*self.bookings, *self.instance.staff.bookings)
        return [booking for booking in seen if booking.user_id == self.user_id]

    async def act(self, draw: float) -> None:
        """Sends one request, or a few at once. `draw`: from 0 to 1, chooses which."""
        if draw < 0.05:
            await asyncio.gather(*[self.take_seats() for _ in range(3)])
        elif draw < 0.1:
            await self.rush()
        elif draw < 0.4 or not (mine := self.mine()):
            await self.take_seats()
        elif draw < 0.6:
            await self.confirm_or_cancel(self.pick(mine))
        elif draw < 0.65:
            stranger = self.random.choice((*self.instance.customers, self.instance.staff))
            booking = self.pick(stranger.bookings or mine)
            if self.random.random() < 0.5:
                await self.confirm_or_cancel(booking)
            else:
                await self.extend_or_change(booking)
        elif draw < 0.85:
            paid = [booking for booking in mine if booking.paid]
            await self.extend_or_change(self.pick(paid if paid and self.random.random() < 0.5 else mine))
        else:
            await self.repeat()

    async def take_seats(self) -> None:
        """Books or holds seats. A hold is often followed up before it expires, or a little later."""
        random, instance = self.random, self.instance
        show = random.choice(instance.shows)
        wanted = self._wanted_seats()
        hold_ms = random.choice(HOLD_MS) if random.random() < 0.4 else None
        build = self._taking(show, hold_ms, wanted)
        answer = await self.send(build, keyed=random.random() < 0.6)
        booking = answer.decision.booking if isinstance(answer, StoredDecision) else None
        if hold_ms is not None and booking is not None and random.random() < 0.6:
            await asyncio.sleep(random.random() * 1.2 * min(hold_ms, 4_000) / 1000)
            if random.random() < 0.6:
                await self.confirm_or_cancel(booking)
            else:
                await self.extend_or_change(booking)

    def _wanted_seats(self) -> dict[str, Any]:
        random, labels = self.random, self.instance.hall.labels
        wanted: dict[str, Any] = {"yours": random.random() < 0.8}
        if random.random() < 0.2:
            wanted |= {"quantity": random.randrange(1, 4), "adjacent": random.random() < 0.7}
            if random.random() < 0.4:
                wanted["kind"] = "accessible"
            if random.random() < 0.3:
                wanted["max_price"] = Money(random.choice((500, 700, 800, 1000)), CURRENCY)
        elif random.random() < 0.15:
            hall = self.instance.hall
            special = [label for label in labels if label in hall.accessible or label in hall.companions]
            wanted["seats"] = tuple(random.sample(special, random.randrange(1, 1 + len(special))))
        else:
            wanted["seats"] = tuple(random.sample(labels, random.choice((1, 1, 2, 3))))
        return wanted

    def _taking(self, show: int, hold_ms: int | None, wanted: dict[str, Any]) -> Build:
        """Makes the commands that book seats, or hold them for `hold_ms`."""

        def build(command_id: UUID) -> Command:
            booking_id = new_booking_id(show, clock_ms(self.instance), self.random.getrandbits(42))
            common = {"show_id": show, "user_id": self.user_id, "booking_id": booking_id, **wanted}
            if hold_ms is not None:
                return HoldSeats(command_id=command_id, hold_ms=hold_ms, **common)
            return BookSeats(command_id=command_id, **common)

        return build

    async def rush(self) -> None:
        """Several customers ask one gateway for the same seats, in requests that arrive together."""
        random, instance = self.random, self.instance
        show, hold_ms = random.choice(instance.shows), random.choice((None, *HOLD_MS))
        seats = tuple(random.sample(instance.hall.labels, random.choice((1, 1, 2))))
        crowd = random.sample(instance.customers, random.randrange(1, 1 + len(instance.customers)))
        gateway = random.choice(instance.gateways)
        arrives_s = instance.loop.time() + instance.network.delay_s()
        await asyncio.gather(
            *[
                one.send_at(one._taking(show, hold_ms, {"seats": seats, "yours": True}), gateway, arrives_s)
                for one in (*crowd, self)
            ]
        )

    async def confirm_or_cancel(self, booking: Booking) -> None:
        """Confirms or cancels a booking, which may be another customer's."""
        kind = ConfirmBooking if self.random.random() < 0.4 else CancelBooking
        await self._about(booking, kind)

    async def extend_or_change(self, booking: Booking) -> None:
        """Extends a hold, or gives a booking other seats."""
        if booking.status is BookingStatus.HELD and self.random.random() < 0.5:
            await self._about(booking, ExtendHold)
        else:
            await self._about(booking, ChangeSeats, seats=self.other_seats(booking.seats))

    async def _about(self, booking: Booking, kind: type[Any], **more: Any) -> None:
        await self.send(
            lambda command_id: kind(
                command_id=command_id,
                show_id=booking.show_id,
                user_id=self.user_id,
                booking_id=booking.booking_id,
                **more,
            ),
            keyed=self.random.random() < 0.5,
        )
