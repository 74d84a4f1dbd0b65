"""The gateways of a run, without HTTP: they append commands, coalesce equal ones, wait and respond."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from gateway.commands.coalescing import RequestCoalescer
from gateway.commands.decision_lookup import DecisionLookup
from gateway.commands.log_ends import LogEnds
from gateway.commands.outcomes import Outcome, StoredDecision
from gateway.commands.pending import PendingRequests
from gateway.commands.replies import ReplyListener
from gateway.commands.sender import CommandSender
from gateway.http.problems import Problem
from gateway.limits.admission import AdmissionControl
from schemas.commands import BookSeats, Command, HoldSeats
from schemas.ids import Position, is_keyed
from schemas.wire import COMMANDS_TOPIC
from tests.simulation.fakes import FakePool
from tests.simulation.loop import WORLD, Part
from tests.simulation.observations import Lost
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.instance import SimulatedInstance

Serve = Callable[[], Awaitable[Any]]
"""Handles one request on a gateway."""


class Gateway(Process):
    """A gateway without HTTP: it appends commands, waits and responds."""

    commands: CommandSender
    admission: AdmissionControl

    def __init__(self, instance: SimulatedInstance, name: str) -> None:
        super().__init__(instance, name)
        self.arrivals: dict[float, list[Callable[[], None]]] = {}
        """Time, in seconds of the loop, → the requests that arrive together at that time."""

    async def work(self) -> None:
        instance = self.instance
        self.pending: list[asyncio.Future[Any]] = []
        pool = FakePool(instance.database, instance.database_link())
        pending = PendingRequests()
        self.admission = AdmissionControl(*instance.in_flight)
        self.commands = CommandSender(
            pool, instance.log.appender(COMMANDS_TOPIC), pending, self.admission, LogEnds(instance.log)
        )
        self.coalescer = RequestCoalescer(self.commands, instance.loop.time)
        self.reply_address = pending.gateway_id
        await asyncio.gather(
            ReplyListener(instance.redis.client(), pending).run(), DecisionLookup(pool, pending).run()
        )

    def on_exit(self, part: Part, *, killed: bool) -> None:
        for answer in getattr(self, "pending", []):
            self.instance.loop.call_later(0.001, _lose, answer, context=WORLD.context)

    async def submit(
        self, command: Command, wait_s: float, arrives_s: float | None = None
    ) -> Outcome | Problem | Lost:
        """Sends a command over the network and returns the client's response.

        `arrives_s`: the time at which the request arrives; the gateway reads those with equal times in one iteration.
        """

        async def serve() -> Outcome | Problem:
            try:
                if isinstance(command, BookSeats | HoldSeats) and may_be_coalesced(command, wait_s):
                    return await self._submit_with_equal_ones(command, wait_s)
                return await self.commands.submit(command, wait_s=wait_s)
            except Problem as problem:
                return problem

        answer: Outcome | Problem | Lost = await self._over_http(serve, wait_s + 20, arrives_s)
        return answer

    async def _submit_with_equal_ones(self, command: BookSeats | HoldSeats, wait_s: float) -> Outcome:
        result: asyncio.Future[Outcome] = self.instance.loop.create_future()

        def on_outcome(outcome: Outcome | BaseException) -> None:
            if result.done():
                return
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)

        self.coalescer.send(command, wait_s=wait_s, on_outcome=on_outcome)
        return await result

    async def command_status(self, position: Position, wait_s: float) -> StoredDecision | Lost | None:
        """Requests the status of a command and returns the client's response."""

        async def serve() -> StoredDecision | None:
            return await self.commands.await_decision(position, wait_s)

        status: StoredDecision | Lost | None = await self._over_http(serve, wait_s + 20)
        return status

    async def _over_http(self, serve: Serve, patience_s: float, arrives_s: float | None = None) -> Any:
        instance = self.instance
        answer: asyncio.Future[Any] = instance.loop.create_future()

        def arrive() -> None:
            instance.requests_in_transit -= 1
            if not self.running or not hasattr(self, "commands"):
                instance.loop.call_later(0.001, _lose, answer, context=WORLD.context)
                return
            self.pending = [one for one in self.pending if not one.done()]
            self.pending.append(answer)
            instance.loop.spawn(self.part, _serve(self.part, serve, answer))

        instance.requests_in_transit += 1
        if arrives_s is None:
            instance.loop.call_later(instance.network.delay_s(), arrive, context=WORLD.context)
        else:
            self._arrive_together(arrives_s, arrive)
        if instance.network.happens(instance.network.faults.http_cut):
            patience_s = 20 * instance.network.delay_s()
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(answer)
        except TimeoutError:
            return Lost("no answer in time")

    def _arrive_together(self, arrives_s: float, arrive: Callable[[], None]) -> None:
        arrivals = self.arrivals.setdefault(arrives_s, [])
        arrivals.append(arrive)

        def arrive_all() -> None:
            for one in self.arrivals.pop(arrives_s):
                one()

        if len(arrivals) == 1:
            self.instance.loop.call_at(arrives_s, arrive_all, context=WORLD.context)


def may_be_coalesced(command: BookSeats | HoldSeats, wait_s: float) -> bool:
    """Whether the gateway coalesces a request: it names its seats, waits for the decision and has no key."""
    return bool(command.seats) and not command.quantity and wait_s > 0 and not is_keyed(command.command_id)


async def _serve(part: Part, serve: Serve, answer: asyncio.Future[Any]) -> None:
    try:
        outcome = await serve()
    except Exception as error:
        outcome = Lost(f"500 {error!r}")
    if not part.dead and not answer.done():
        answer.set_result(outcome)


def _lose(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_result(Lost("connection lost"))
