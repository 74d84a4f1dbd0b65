"""The one who injects faults: every now and then deals a blow of the kinds that the plan has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.simulation.house import LABELS, PARTITIONS, House
from tests.simulation.loop import WORLD
from tests.simulation.processes import Process, Worker

GARBAGE = (b"", b"{}", b"\x00\xff", b"[" * 40, b'{"type":"Unheard","show_id":1}', b'{"type":"BookSeats"}')


async def strike_on(house: House) -> None:
    """As many blows as the plan has; to be cancelled when things may settle."""
    plan = house.plan
    for _ in range(plan.blows if plan.strikes else 0):
        await asyncio.sleep(house.random.expovariate(1 / plan.strike_every_s))
        kind = house.random.choice(plan.strikes)
        house.observed.tell("fate", kind)
        _deal(house, kind)


def _deal(house: House, kind: str) -> None:
    random = house.random
    worker: Worker = random.choice(house.workers)
    match kind:
        case "kill a worker":
            worker.kill()
        case "kill a worker at a step":
            _at_a_step(house, worker, worker.kill)
        case "kill a gateway":
            random.choice(house.gateways).kill()
        case "kill a gateway at a step":
            gateway = random.choice(house.gateways)
            _at_a_step(house, gateway, gateway.kill)
        case "kill the notifier":
            house.notifier.kill()
        case "put a worker to sleep":
            worker.sleep_and_lose_partitions(random.choice((0.05, 1.0, 12.0)) * random.random())
        case "put a worker to sleep at a step":
            for_s = random.choice((0.05, 1.0, 12.0)) * random.random()
            _at_a_step(house, worker, lambda: worker.sleep_and_lose_partitions(for_s))
        case "move partitions":
            _move_partitions(worker)
        case "move partitions while the database is away":
            _without_the_database(house, random.uniform(3.0, 9.0))  # letting go has 5 s
            _move_partitions(worker)
        case "a worker leaves":
            worker.leave()
        case _:
            _break_a_server(house, kind)


def _at_a_step(house: House, process: Process, blow: Callable[[], None]) -> None:
    part = process.part
    if process.running:
        part.stop_at = part.steps + house.random.randrange(1, 150)
        part.stop = blow


def _break_a_server(house: House, kind: str) -> None:
    random = house.random
    for_s = random.choice((0.1, 1.0, 9.0)) * random.random()
    match kind:
        case "database away":
            _without_the_database(house, for_s)
        case "database full":
            house.database.full = True
            _later(house, for_s, lambda: setattr(house.database, "full", False))
        case "Redis away":
            house.redis.down = True
            _later(house, for_s, lambda: setattr(house.redis, "down", False))
        case "log away" | "events topic away":
            topics = {EVENTS_TOPIC} if kind.startswith("events") else {COMMANDS_TOPIC, EVENTS_TOPIC}
            house.log.away |= topics
            _later(house, for_s, lambda: house.log.away.difference_update(topics))
        case "clock jumps":
            house.log_off_ms += random.choice((-20_000, -2_000, -50, 50, 2_000, 20_000))
        case "a day passes":
            house.passed_ms += 25 * 3600 * 1000
        case "garbage":
            house.log.put(COMMANDS_TOPIC, random.randrange(PARTITIONS), random.choice(GARBAGE))
        case "a constraint":
            house.database.refused_seat = (random.choice(house.shows), random.randrange(len(LABELS)))
            _later(house, for_s, lambda: setattr(house.database, "refused_seat", None))
        case _:
            raise AssertionError(kind)


def _move_partitions(worker: Worker) -> None:
    if worker.running and hasattr(worker, "reader"):
        worker.reader.shake()


def _without_the_database(house: House, for_s: float) -> None:
    house.database_away = True
    _later(house, for_s, lambda: setattr(house, "database_away", False))


def _later(house: House, delay_s: float, what: Callable[[], None]) -> None:
    house.loop.call_later(delay_s, what, context=WORLD.context)
