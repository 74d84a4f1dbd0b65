"""The clients of a run: customers who book, hold, confirm, cancel and retry, and staff."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.http.problems import Problem
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    HoldSeats,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from schemas.events import Booking, Reason
from schemas.ids import fresh_command_id, keyed_command_id, new_booking_id
from tests.simulation.clocks import clock_ms
from tests.simulation.instance import DIGEST, LABELS, SimulatedInstance
from tests.simulation.loop import Part
from tests.simulation.observations import Lost, Request

Build = Callable[[UUID], Command]
"""Makes the command of one attempt from its id, with a new booking id each time, as a gateway does."""

STAFF = 99


class Client:
    """A client that sends commands, waits for responses and retries."""

    def __init__(self, instance: SimulatedInstance, user_id: int) -> None:
        self.instance = instance
        self.random = instance.random
        self.user_id = user_id
        self.part = Part(f"client-{user_id}")
        self._keys = 0
        self._sent: list[tuple[UUID, Build]] = []
        self.bookings: list[Booking] = []

    async def send(self, build: Build, *, keyed: bool = False) -> Outcome | Problem | Lost:
        """Sends a command; with a key, retries after a response that leaves the outcome open."""
        random = self.random
        if keyed:
            self._keys += 1
            command_id = keyed_command_id(self.user_id, f"key {self._keys}")
            self._sent.append((command_id, build))
        else:
            command_id = fresh_command_id(clock_ms(self.instance), random.getrandbits(74))
        if random.random() < 0.02:
            self.instance.failing_commands.add(command_id)
        answer = await self._send_once(command_id, build)
        for _ in range(3):
            if not keyed or not _is_retryable(answer):
                break
            await asyncio.sleep(random.choice((0.01, 0.3, 1.0)) * random.random())
            answer = await self._send_once(command_id, build)
        return answer

    async def repeat(self) -> None:
        """Repeats an earlier key: with the same request, with another one, or twice at the same moment."""
        if not self._sent:
            return
        command_id, build = self.random.choice(self._sent)
        draw = self.random.random()
        if draw < 0.2:
            await self._send_once(command_id, self.random.choice(self._sent)[1])
        elif draw < 0.5:
            await asyncio.gather(self._send_once(command_id, build), self._send_once(command_id, build))
        else:
            await self._send_once(command_id, build)

    async def _send_once(self, command_id: UUID, build: Build) -> Outcome | Problem | Lost:
        instance, random = self.instance, self.random
        gateway = random.choice(instance.gateways)
        command = build(command_id)
        wait_s = random.choice((0.0, 0.3, 10.0, 10.0, 10.0))
        sent = instance.observations.count()
        request = Request(self.part.name, gateway.name, command, wait_s, sent, instance.loop.time())
        instance.observations.requests.append(request)
        instance.observations.log(self.part.name, f"sends to {gateway.name}", command)
        answer = await gateway.submit(command, wait_s)
        request.answered, request.answered_s = instance.observations.count(), instance.loop.time()
        request.answer = answer
        instance.observations.log(self.part.name, "receives", answer)
        if isinstance(answer, Pending) and random.random() < 0.5:
            await self._poll(answer)
        if isinstance(answer, StoredDecision) and answer.decision.booking is not None:
            self.bookings.append(answer.decision.booking)
        return answer

    async def _poll(self, pending: Pending) -> None:
        status = await self.instance.random.choice(self.instance.gateways).command_status(
            pending.position, self.instance.random.choice((0.5, 5.0))
        )
        if isinstance(status, StoredDecision):
            self.instance.observations.log(self.part.name, "polls", status)
            self.instance.observations.polls.append((status.position, status.decision))


def _is_retryable(answer: Outcome | Problem | Lost) -> bool:
    return isinstance(answer, Lost) or (isinstance(answer, Problem) and answer.status >= 429)


class Customer(Client):
    """A customer, who takes seats, confirms and cancels."""

    async def run(self, requests: int) -> None:
        for _ in range(requests):
            await asyncio.sleep(self.random.expovariate(1 / self.instance.think_s))
            draw = self.random.random()
            if draw < 0.05:
                await asyncio.gather(*[self._take_seats() for _ in range(3)])
            elif draw < 0.45 or not self.bookings:
                await self._take_seats()
            elif draw < 0.75:
                await self._confirm_or_cancel(self.random.choice(self.bookings))
            elif draw < 0.8:
                stranger = self.random.choice(self.instance.customers)
                await self._confirm_or_cancel(self.random.choice(stranger.bookings or self.bookings))
            else:
                await self.repeat()

    async def _take_seats(self) -> None:
        random, instance = self.random, self.instance
        show = random.choice(instance.shows)
        common: dict[str, Any] = {"show_id": show, "user_id": self.user_id}
        if random.random() < 0.15:
            common |= {"quantity": random.randrange(1, 4), "adjacent": random.random() < 0.7}
        else:
            common["seats"] = tuple(random.sample(LABELS, random.choice((1, 1, 2, 3))))
        hold_ms = random.choice((1_000, 1_500, 4_000))
        holding = random.random() < 0.4

        def build(command_id: UUID) -> Command:
            booking_id = new_booking_id(show, clock_ms(instance), random.getrandbits(42))
            if holding:
                return HoldSeats(command_id=command_id, booking_id=booking_id, hold_ms=hold_ms, **common)
            return BookSeats(command_id=command_id, booking_id=booking_id, **common)

        answer = await self.send(build, keyed=random.random() < 0.6)
        if (
            holding
            and isinstance(answer, StoredDecision)
            and answer.decision.booking
            and random.random() < 0.6
        ):
            await asyncio.sleep(random.random() * 1.2 * hold_ms / 1000)
            await self._confirm_or_cancel(answer.decision.booking)

    async def _confirm_or_cancel(self, booking: Booking) -> None:
        kind = ConfirmBooking if self.random.random() < 0.4 else CancelBooking
        await self.send(
            lambda command_id: kind(
                command_id=command_id,
                show_id=booking.show_id,
                user_id=self.user_id,
                booking_id=booking.booking_id,
            ),
            keyed=self.random.random() < 0.5,
        )


class Staff(Client):
    """Staff: opens the shows, later blocks seats, changes, closes and cancels shows, and checks tickets in."""

    async def open_shows(self) -> None:
        await asyncio.gather(*[self._open(show) for show in self.instance.shows])

    async def _open(self, show: int) -> None:
        starts_ms = clock_ms(self.instance) + self.random.choice((20_000, 10**10, 10**10))
        while True:
            answer = await self.send(
                lambda command_id: OpenShow(
                    command_id=command_id,
                    show_id=show,
                    user_id=self.user_id,
                    staff=True,
                    layout_id=1,
                    layout_digest=DIGEST,
                    starts_ms=starts_ms,
                    seats_per_customer=self.random.choice((3, 10)),
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

    def _random_command(self) -> Build:
        random = self.random
        common: dict[str, Any] = {
            "show_id": random.choice(self.instance.shows),
            "user_id": self.user_id,
            "staff": True,
        }
        seats = tuple(random.sample(LABELS, random.choice((1, 2))))
        bookings = [booking for customer in self.instance.customers for booking in customer.bookings]
        booking = random.choice(bookings) if bookings else None
        draw = random.random()
        if draw < 0.3:
            return lambda command_id: BlockSeats(command_id=command_id, seats=seats, **common)
        if draw < 0.55:
            return lambda command_id: UnblockSeats(command_id=command_id, seats=seats, **common)
        if draw < 0.65:
            return lambda command_id: CloseShow(command_id=command_id, **common)
        if draw < 0.75:
            return lambda command_id: ReopenShow(command_id=command_id, **common)
        if draw < 0.8:
            limit = random.choice((1, 3, 10))
            return lambda command_id: ChangeShow(command_id=command_id, seats_per_customer=limit, **common)
        if draw < 0.84:
            return lambda command_id: CancelShow(command_id=command_id, **common)
        if booking is not None:
            common["show_id"], booking_id = booking.show_id, booking.booking_id
            if draw < 0.94:
                seat = random.choice(booking.seats)
                return lambda command_id: CheckIn(
                    command_id=command_id, booking_id=booking_id, seat=seat, **common
                )
            return lambda command_id: CancelBooking(command_id=command_id, booking_id=booking_id, **common)
        return lambda command_id: ReopenShow(command_id=command_id, **common)
