"""The processes of a run: workers, gateways and the notifier, each of the real code, started again when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from gateway.commands import Commands, Decided, Outcome
from gateway.limits import InFlight
from gateway.log_ends import LogEnds
from gateway.problems import Problem
from gateway.replies import Replies
from notifier.intake import EventIntake
from notifier.pace import Pace, Used
from schemas.commands import Command
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from seat_workers.follow_ups import FollowUps
from seat_workers.publisher import Publisher
from seat_workers.worker import SeatWorker
from tests.simulation.clocks import clock_ms
from tests.simulation.loop import WORLD, Part
from tests.simulation.observed import Lost
from tests.simulation.simulated_log import SimulatedReader
from tests.simulation.stand_ins import FakeDeliveries, FakePool
from tests.simulation.watched_ledger import WatchedLedger

if TYPE_CHECKING:
    from tests.simulation.house import House

Serve = Callable[[], Awaitable[Any]]
"""What a gateway does for one request."""


class Process:
    """One place in the house where a process runs: again and again, under a new number each time."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.part = Part(name)
        self.running = False
        self._lives = 0

    def start(self, *, even_if_over: bool = False) -> None:
        """Starts a new life. Nothing of the last one is left."""
        if self.running or (self.house.over and not even_if_over):
            return
        self._lives += 1
        self.part = Part(f"{self.name}.{self._lives}")
        self.part.clock_off_ms = self.house.drawn_clock_off_ms()
        self.running = True
        self.house.observed.tell(self.part.name, "starts")
        self.house.loop.spawn(self.part, self._live(self.part))

    async def _live(self, part: Part) -> None:
        try:
            await self.work()
        except Exception as error:
            if not part.dead:
                self.house.observed.tell(part.name, "ends by", error)
                self.house.observed.exits.append((part.name, error))
        if not part.dead:
            self.running = False
            self.gone(part, killed=False)
            self.start_later()

    def start_later(self) -> None:
        """Whoever watches over the processes starts this one again soon."""
        if not self.house.over:
            delay_s = self.house.random.uniform(0.05, 1.0)
            self.house.loop.call_later(delay_s, self.start, context=WORLD.context)

    def kill(self) -> None:
        """As by SIGKILL."""
        if not self.running:
            return
        self.house.observed.tell(self.part.name, "is killed")
        part, self.running = self.part, False
        self.house.loop.kill(part)
        self.gone(part, killed=True)
        self.start_later()

    def sleep(self, for_s: float) -> None:
        """As by SIGSTOP, and SIGCONT after that time."""
        part = self.part
        if not self.running or part.frozen:
            return
        self.house.observed.tell(part.name, f"is stopped for {for_s:.2f} s")
        self.house.loop.freeze(part)
        self.house.loop.call_later(for_s, self.wake, part, context=WORLD.context)

    def wake(self, part: Part) -> None:
        if part.frozen and not part.dead:
            self.house.observed.tell(part.name, "goes on")
            self.house.loop.thaw(part)

    def gone(self, part: Part, *, killed: bool) -> None:
        """What others notice of the end of a life."""

    async def work(self) -> None:
        raise NotImplementedError


class Worker(Process):
    """A seat worker."""

    worker: SeatWorker
    reader: SimulatedReader
    stop: asyncio.Event

    async def work(self) -> None:
        house = self.house
        self.stop = asyncio.Event()
        ledger = WatchedLedger(house.database, house.wire(), house.network, house.observed, self.part.name)
        follow_ups = FollowUps(
            ledger, house.log.appender(COMMANDS_TOPIC), lambda: clock_ms(house), house.new_id
        )
        publisher = Publisher(house.redis.client(), house.log.appender(EVENTS_TOPIC))
        self.worker = house.worker_type(ledger, publisher, follow_ups, self.part.name)
        self.worker._memory._max_seats = house.max_seats_in_memory
        self.worker._memory._max_claims_at_once = house.max_claims_at_once
        self.reader = house.log.reader(COMMANDS_TOPIC, "workers", _Watched(self))
        await self.worker.run(self.reader, self.stop)
        await ledger.close()

    def gone(self, part: Part, *, killed: bool) -> None:
        reader = getattr(self, "reader", None)
        if reader is not None:
            # A killed process is missed only after a while.
            delay_s = self.house.random.uniform(0, 2.0) if killed else 0.0
            self.house.loop.call_later(delay_s, reader.vanish, context=WORLD.context)

    def sleep_and_lose_partitions(self, for_s: float) -> None:
        self.sleep(for_s)
        if self.part.frozen and hasattr(self, "reader"):
            self.house.loop.call_later(for_s / 2, self.reader.expel, context=WORLD.context)

    def leave(self) -> None:
        """As by SIGTERM: it lets go in good order, and is started again."""
        if self.running and hasattr(self, "stop"):
            self.house.observed.tell(self.part.name, "is told to stop")
            self.stop.set()


class _Watched:
    """A worker as a member of its group, with a record of what it had and let go."""

    def __init__(self, process: Worker) -> None:
        self._worker = process.worker
        self._house = process.house
        self._name = process.part.name

    async def assigned(self, partitions: Sequence[int]) -> Any:
        return await self._worker.assigned(partitions)

    async def revoked(self, partitions: Sequence[int]) -> None:
        house, began_s = self._house, self._house.loop.time()
        house.observed.tell(self._name, "has to let go of", partitions)
        await self._worker.revoked(partitions)
        house.observed.tell(self._name, "has let go of", partitions)
        if house.loop.time() - began_s < 4.9:
            at = house.observed.count()
            house.observed.let_go += [(at, self._name, partition) for partition in partitions]


class Gateway(Process):
    """A gateway, from the command on: append, wait, answer."""

    commands: Commands
    in_flight: InFlight

    async def work(self) -> None:
        house = self.house
        self.pending: list[asyncio.Future[Any]] = []
        pool = FakePool(house.database, house.wire())
        replies = Replies(pool, house.redis.client())
        self.in_flight = InFlight(*house.in_flight)
        self.commands = Commands(
            pool, house.log.appender(COMMANDS_TOPIC), replies, self.in_flight, LogEnds(house.log)
        )
        self.name_of_life = replies.gateway
        await asyncio.gather(replies.listen(), replies.look_up())

    def gone(self, part: Part, *, killed: bool) -> None:
        for answer in getattr(self, "pending", []):
            self.house.loop.call_later(0.001, _lose, answer, context=WORLD.context)

    async def ask(self, command: Command, wait_s: float) -> Outcome | Problem | Lost:
        """What a client sees of the command that it sends here."""

        async def serve() -> Outcome | Problem:
            try:
                return await self.commands.submit(command, wait_s=wait_s)
            except Problem as problem:
                return problem

        answer: Outcome | Problem | Lost = await self._over_http(serve, wait_s + 20)
        return answer

    async def fate(self, position: Position, wait_s: float) -> Decided | Lost | None:
        """What a client sees who asks for the fate of a command."""

        async def serve() -> Decided | None:
            return await self.commands.decided(position, wait_s)

        fate: Decided | Lost | None = await self._over_http(serve, wait_s + 20)
        return fate

    async def _over_http(self, serve: Serve, patience_s: float) -> Any:
        house = self.house
        answer: asyncio.Future[Any] = house.loop.create_future()

        def arrive() -> None:
            house.requests_under_way -= 1
            if not self.running or not hasattr(self, "commands"):
                house.loop.call_later(0.001, _lose, answer, context=WORLD.context)
                return
            self.pending = [one for one in self.pending if not one.done()]
            self.pending.append(answer)
            house.loop.spawn(self.part, _serve(self.part, serve, answer))

        house.requests_under_way += 1
        house.loop.call_later(house.network.delay_s(), arrive, context=WORLD.context)
        if house.network.strikes(house.network.faults.http_cut):
            patience_s = 20 * house.network.delay_s()
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(answer)
        except TimeoutError:
            return Lost("no answer in time")


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


class Notifier(Process):
    """The notifier's intake of events."""

    async def work(self) -> None:
        house = self.house
        deliveries = FakeDeliveries(house.database, house.wire())
        self.intake = EventIntake(house.log, deliveries, lambda: None, Pace(_untold))
        await self.intake.run(asyncio.Event())

    def gone(self, part: Part, *, killed: bool) -> None:
        group = self.house.log._groups.get((EVENTS_TOPIC, "notifier"))
        for reader in list(group.members) if group is not None else []:
            reader.vanish()


def _untold() -> Used:
    raise OSError("a simulated machine is never busy")
