"""A client of a run: sends commands, waits for responses, retries, and remembers the bookings it has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.http.problems import Problem
from schemas.commands import Command
from schemas.events import Booking
from schemas.ids import fresh_command_id, keyed_command_id
from tests.simulation.clocks import clock_ms
from tests.simulation.gateways import Gateway
from tests.simulation.instance import SimulatedInstance
from tests.simulation.loop import Part
from tests.simulation.observations import Lost, Request

Build = Callable[[UUID], Command]
"""Makes the command of one attempt from its id, with a new booking id each time, as a gateway does."""


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
            command_id = self._fresh_id()
        if random.random() < 0.02:
            self.instance.failing_commands.add(command_id)
        answer = await self._send_once(command_id, build)
        for _ in range(3):
            if not keyed or not _is_retryable(answer):
                break
            await asyncio.sleep(random.choice((0.01, 0.3, 1.0)) * random.random())
            answer = await self._send_once(command_id, build)
        return answer

    async def send_at(self, build: Build, gateway: Gateway, arrives_s: float) -> Outcome | Problem | Lost:
        """Sends a command once, in a request that arrives at this time and waits long for its decision."""
        return await self._send_once(self._fresh_id(), build, gateway=gateway, arrives_s=arrives_s)

    def _fresh_id(self) -> UUID:
        return fresh_command_id(clock_ms(self.instance), self.random.getrandbits(74))

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

    async def _send_once(
        self,
        command_id: UUID,
        build: Build,
        *,
        gateway: Gateway | None = None,
        arrives_s: float | None = None,
    ) -> Outcome | Problem | Lost:
        instance, random = self.instance, self.random
        gateway = gateway or random.choice(instance.gateways)
        command = build(command_id)
        wait_s = random.choice((0.0, 0.3, 10.0, 10.0, 10.0)) if arrives_s is None else 10.0
        sent = instance.observations.count()
        request = Request(self.part.name, gateway.name, command, wait_s, sent, instance.loop.time())
        instance.observations.requests.append(request)
        instance.observations.log(self.part.name, f"sends to {gateway.name}", command)
        answer = await gateway.submit(command, wait_s, arrives_s)
        request.answered, request.answered_s = instance.observations.count(), instance.loop.time()
        request.answer = answer
        instance.observations.log(self.part.name, "receives", answer)
        if isinstance(answer, Pending) and random.random() < 0.5:
            await self._poll(answer)
        if isinstance(answer, StoredDecision) and answer.decision.booking is not None:
            self.bookings.append(answer.decision.booking)
        return answer

    def pick(self, bookings: Sequence[Booking]) -> Booking:
        """One of these bookings, as it was last seen; mostly one that was live then."""
        latest = {booking.booking_id: booking for booking in bookings}
        live = [booking for booking in latest.values() if booking.status.live]
        if live and self.random.random() < 0.85:
            return self.random.choice(live)
        return self.random.choice([*latest.values()])

    def other_seats(self, seats: tuple[str, ...]) -> tuple[str, ...]:
        """Seats to change to: mostly as many as before, some of which may be the same."""
        random, labels = self.random, self.instance.hall.labels
        count = len(seats) if random.random() < 0.9 else max(1, len(seats) + random.choice((-1, 1)))
        kept = random.sample(seats, random.randrange(1 + min(count, len(seats))))
        rest = [label for label in labels if label not in kept]
        return (*kept, *random.sample(rest, min(count - len(kept), len(rest))))

    async def _poll(self, pending: Pending) -> None:
        status = await self.instance.random.choice(self.instance.gateways).command_status(
            pending.position, self.instance.random.choice((0.5, 5.0))
        )
        if isinstance(status, StoredDecision):
            self.instance.observations.log(self.part.name, "polls", status)
            self.instance.observations.polls.append((status.position, status.decision))


def _is_retryable(answer: Outcome | Problem | Lost) -> bool:
    return isinstance(answer, Lost) or (isinstance(answer, Problem) and answer.status >= 429)
