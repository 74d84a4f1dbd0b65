"""The processes of a run: workers and the notifier, with their real code, restarted when they end. See gateways.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from notifier.intake import EventIntake
from notifier.pace import Pace, Used
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from seat_workers.publisher import Publisher
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker
from tests.simulation.clocks import clock_ms
from tests.simulation.fakes import FakeDeliveries, FakeReminders
from tests.simulation.loop import WORLD, Part
from tests.simulation.observed_ledger import ObservedLedger
from tests.simulation.simulated_log import SimulatedReader

if TYPE_CHECKING:
    from tests.simulation.instance import SimulatedInstance


class Process:
    """A supervised process of the instance. Each start makes a new part with a new number."""

    def __init__(self, instance: SimulatedInstance, name: str) -> None:
        self.instance = instance
        self.name = name
        self.part = Part(name)
        self.running = False
        self._starts = 0

    def start(self, *, even_if_finished: bool = False) -> None:
        """Starts the process with empty memory."""
        if self.running or (self.instance.finished and not even_if_finished):
            return
        self._starts += 1
        self.part = Part(f"{self.name}.{self._starts}")
        self.part.clock_offset_ms = self.instance.draw_clock_offset_ms()
        self.running = True
        self.instance.observations.log(self.part.name, "starts")
        self.instance.loop.spawn(self.part, self._run(self.part))

    async def _run(self, part: Part) -> None:
        try:
            await self.work()
        except Exception as error:
            if not part.dead:
                self.instance.observations.log(part.name, "ends by", error)
                self.instance.observations.exits.append((part.name, error))
        if not part.dead:
            self.running = False
            self.on_exit(part, killed=False)
            self.start_later()

    def start_later(self) -> None:
        """Restarts the process after a delay, as a supervisor does."""
        if not self.instance.finished:
            delay_s = self.instance.random.uniform(0.05, 1.0)
            self.instance.loop.call_later(delay_s, self.start, context=WORLD.context)

    def kill(self) -> None:
        """Ends the process at once, as SIGKILL does."""
        if not self.running:
            return
        self.instance.observations.log(self.part.name, "is killed")
        part, self.running = self.part, False
        self.instance.loop.kill(part)
        self.on_exit(part, killed=True)
        self.start_later()

    def suspend(self, for_s: float) -> None:
        """Suspends the process for `for_s` seconds, as SIGSTOP and SIGCONT do."""
        part = self.part
        if not self.running or part.frozen:
            return
        self.instance.observations.log(part.name, f"is suspended for {for_s:.2f} s")
        self.instance.loop.freeze(part)
        self.instance.loop.call_later(for_s, self.resume, part, context=WORLD.context)

    def resume(self, part: Part) -> None:
        if part.frozen and not part.dead:
            self.instance.observations.log(part.name, "resumes")
            self.instance.loop.thaw(part)

    def on_exit(self, part: Part, *, killed: bool) -> None:
        """Informs the rest of the instance that the process has ended."""

    async def work(self) -> None:
        raise NotImplementedError


class Worker(Process):
    """A seat worker."""

    worker: SeatWorker
    reader: SimulatedReader
    stop: asyncio.Event

    async def work(self) -> None:
        instance = self.instance
        self.stop = asyncio.Event()
        ledger = ObservedLedger(
            instance.database,
            instance.database_link(),
            instance.network,
            instance.observations,
            self.part.name,
        )
        timers = Timers(
            ledger, instance.log.appender(COMMANDS_TOPIC), lambda: clock_ms(instance), instance.new_id
        )
        publisher = Publisher(instance.redis.client(), instance.log.appender(EVENTS_TOPIC))
        self.worker = instance.worker_type(ledger, publisher, timers, self.part.name)
        self.worker._cache._max_seats = instance.max_seats_in_memory
        self.worker._cache._max_claims_per_query = instance.max_claims_at_once
        self.reader = instance.log.reader(COMMANDS_TOPIC, "workers", _ObservedMember(self))
        await self.worker.run(self.reader, self.stop)
        await ledger.close()

    def on_exit(self, part: Part, *, killed: bool) -> None:
        reader = getattr(self, "reader", None)
        if reader is not None:
            # The group notices a killed member only after a while.
            delay_s = self.instance.random.uniform(0, 2.0) if killed else 0.0
            self.instance.loop.call_later(delay_s, reader.vanish, context=WORLD.context)

    def suspend_and_lose_partitions(self, for_s: float) -> None:
        self.suspend(for_s)
        if self.part.frozen and hasattr(self, "reader"):
            self.instance.loop.call_later(for_s / 2, self.reader.evict, context=WORLD.context)

    def stop_gracefully(self) -> None:
        """Stops the worker as SIGTERM does: it gives its partitions up in order, and is restarted."""
        if self.running and hasattr(self, "stop"):
            self.instance.observations.log(self.part.name, "is stopped")
            self.stop.set()


class _ObservedMember:
    """A worker as a member of its group that records assignments and orderly revokes."""

    def __init__(self, process: Worker) -> None:
        self._worker = process.worker
        self._instance = process.instance
        self._name = process.part.name

    async def assigned(self, partitions: Sequence[int]) -> Any:
        starts = await self._worker.assigned(partitions)
        at = self._instance.observations.count()
        self._instance.observations.assignments += [(at, self._name, partition) for partition in partitions]
        return starts

    async def revoked(self, partitions: Sequence[int]) -> None:
        instance, began_s = self._instance, self._instance.loop.time()
        instance.observations.log(self._name, "revoke begins", partitions)
        await self._worker.revoked(partitions)
        instance.observations.log(self._name, "revoke ends", partitions)
        if instance.loop.time() - began_s < 4.9:
            at = instance.observations.count()
            instance.observations.revokes += [(at, self._name, partition) for partition in partitions]


class Notifier(Process):
    """The notifier, as far as it consumes events."""

    async def work(self) -> None:
        instance = self.instance
        deliveries = FakeDeliveries(instance.database, instance.database_link())
        reminders = FakeReminders(instance.database)
        self.intake = EventIntake(instance.log, deliveries, lambda: None, Pace(_usage_unknown), reminders)
        await self.intake.run(asyncio.Event())

    def on_exit(self, part: Part, *, killed: bool) -> None:
        group = self.instance.log._groups.get((EVENTS_TOPIC, "notifier"))
        for reader in list(group.members) if group is not None else []:
            reader.vanish()


def _usage_unknown() -> Used:
    raise OSError("a simulated machine is never busy")
