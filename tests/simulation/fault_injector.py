"""Injects the faults of a plan into processes and servers, at random intervals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.simulation.instance import SimulatedInstance
from tests.simulation.loop import WORLD
from tests.simulation.processes import Process, Worker

GARBAGE = (b"", b"{}", b"\x00\xff", b"[" * 40, b'{"type":"Unheard","show_id":1}', b'{"type":"BookSeats"}')


async def inject_faults(instance: SimulatedInstance) -> None:
    """Injects as many faults as the plan has. The caller cancels it to let the instance settle."""
    plan = instance.plan
    for _ in range(plan.fault_count if plan.injected else 0):
        await asyncio.sleep(instance.random.expovariate(1 / plan.mean_interval_s))
        kind = instance.random.choice(plan.injected)
        instance.observations.log("faults", kind)
        _inject(instance, kind)


def _inject(instance: SimulatedInstance, kind: str) -> None:
    random = instance.random
    worker: Worker = random.choice(instance.workers)
    match kind:
        case "kill a worker":
            worker.kill()
        case "kill a worker at a random step":
            _at_random_step(instance, worker, worker.kill)
        case "kill a gateway":
            random.choice(instance.gateways).kill()
        case "kill a gateway at a random step":
            gateway = random.choice(instance.gateways)
            _at_random_step(instance, gateway, gateway.kill)
        case "kill the notifier":
            instance.notifier.kill()
        case "suspend a worker":
            worker.suspend_and_lose_partitions(random.choice((0.05, 1.0, 12.0)) * random.random())
        case "suspend a worker at a random step":
            for_s = random.choice((0.05, 1.0, 12.0)) * random.random()
            _at_random_step(instance, worker, lambda: worker.suspend_and_lose_partitions(for_s))
        case "rebalance":
            _move_partitions(worker)
        case "rebalance while the database is away":
            _disconnect_database(instance, random.uniform(3.0, 9.0))  # the revoke time-out is 5 s
            _move_partitions(worker)
        case "stop a worker":
            worker.stop_gracefully()
        case _:
            _disturb_server(instance, kind)


def _at_random_step(instance: SimulatedInstance, process: Process, action: Callable[[], None]) -> None:
    part = process.part
    if process.running:
        part.stop_at = part.steps + instance.random.randrange(1, 150)
        part.stop = action


def _disturb_server(instance: SimulatedInstance, kind: str) -> None:
    random = instance.random
    for_s = random.choice((0.1, 1.0, 9.0)) * random.random()
    match kind:
        case "database away":
            _disconnect_database(instance, for_s)
        case "database full":
            instance.database.full = True
            _later(instance, for_s, lambda: setattr(instance.database, "full", False))
        case "Redis away":
            instance.redis.down = True
            _later(instance, for_s, lambda: setattr(instance.redis, "down", False))
        case "log away" | "events topic away":
            topics = {EVENTS_TOPIC} if kind.startswith("events") else {COMMANDS_TOPIC, EVENTS_TOPIC}
            instance.log.away |= topics
            _later(instance, for_s, lambda: instance.log.away.difference_update(topics))
        case "clock jumps":
            instance.log_clock_offset_ms += random.choice((-20_000, -2_000, -50, 50, 2_000, 20_000))
        case "a day passes":
            instance.skipped_ms += 25 * 3600 * 1000
        case "half an hour passes":
            instance.skipped_ms += 30 * 60 * 1000
        case "malformed record":
            instance.log.put(COMMANDS_TOPIC, random.choice(instance.partitions), random.choice(GARBAGE))
        case "a constraint violation":
            instance.database.refused_seat = (
                random.choice(instance.shows),
                random.randrange(len(instance.hall.labels)),
            )
            _later(instance, for_s, lambda: setattr(instance.database, "refused_seat", None))
        case _:
            raise AssertionError(kind)


def _move_partitions(worker: Worker) -> None:
    if worker.running and hasattr(worker, "reader"):
        worker.reader.force_rebalance()


def _disconnect_database(instance: SimulatedInstance, for_s: float) -> None:
    instance.database_away = True
    _later(instance, for_s, lambda: setattr(instance, "database_away", False))


def _later(instance: SimulatedInstance, delay_s: float, what: Callable[[], None]) -> None:
    instance.loop.call_later(delay_s, what, context=WORLD.context)
