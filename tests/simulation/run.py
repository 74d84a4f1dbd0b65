"""Runs one schedule from its seed: trouble, then calm, then the checker."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec

from schemas.wire import COMMANDS_TOPIC
from seat_workers import decider
from tests.simulation.checker import check
from tests.simulation.clients import STAFF, Customer, Staff
from tests.simulation.clocks import simulated_clocks
from tests.simulation.house import PARTITIONS, House
from tests.simulation.loop import Part
from tests.simulation.one_log import refuses_a_shorter_log
from tests.simulation.settled import unsettled
from tests.simulation.strikes import strike_on

TROUBLE_S = 60.0
SETTLE_S = 240.0


class Result(msgspec.Struct, frozen=True):
    """What came of a schedule."""

    seed: int
    violations: list[str]
    commands: int
    steps: int
    story: str


def run(seed: int, *, telling: bool = False, house_of: Callable[..., House] = House, **types: Any) -> Result:
    """One schedule. The same seed gives the same run, whatever else goes on."""
    house = house_of(seed, telling=telling, **types)
    real_step: Callable[..., Any] = vars(decider)["step"]

    def step(show: Any, command: Any, now_ms: int) -> Any:
        decision = real_step(show, command, now_ms)
        if command.command_id in house.raising:
            raise ArithmeticError("a bug in the rules, after the state has changed")
        return decision

    try:
        with simulated_clocks(house), patch.object(decider, "step", step):
            try:
                violations = house.loop.run_until_complete(house.loop.spawn(Part("main"), _whole(house)))
            except Exception:
                violations = [f"the run broke: {traceback.format_exc()}"]
    finally:
        house.loop.close()
    return Result(
        seed,
        violations,
        sum(len(house.log.records(COMMANDS_TOPIC, partition, 0, 10**6)) for partition in range(PARTITIONS)),
        house.loop.steps,
        house.observed.story(),
    )


async def _whole(house: House) -> list[str]:
    await house.log.create(PARTITIONS)
    for process in house.processes:
        process.start()
    await _trouble(house)
    violations = await _calm(house)
    if not violations:
        violations = await _good_end(house)
    for process in house.processes:
        process.kill()
    for client in (house.staff, *house.customers):
        house.loop.kill(client.part)
    await asyncio.sleep(0.01)  # until everybody has unwound
    return violations


async def _trouble(house: House) -> None:
    """Clients ask while fate strikes; at the end all clients have been answered, or given up."""
    random, loop = house.random, house.loop
    house.staff = staff = Staff(house, STAFF)
    house.customers = [Customer(house, user_id) for user_id in range(1, 1 + random.randrange(2, 6))]
    house.think_s = random.choice((0.001, 0.01, 0.05, 0.3))
    each = 1 + random.randrange(15, 50) // (1 + len(house.customers))
    striking = asyncio.create_task(strike_on(house))
    opening = loop.spawn(staff.part, staff.open_shows())
    await asyncio.wait([opening], timeout=0.5 * random.random())
    busy = [
        opening,
        *[loop.spawn(one.part, one.run(each)) for one in house.customers],
        loop.spawn(staff.part, staff.run(each)),
    ]
    await asyncio.wait(busy, timeout=TROUBLE_S)
    striking.cancel()
    house.calm_down()
    house.observed.tell("fate", "lets everything settle")
    await asyncio.wait(busy, timeout=SETTLE_S)


async def _calm(house: House) -> list[str]:
    """Waits until there is nothing left to do, and checks."""
    deadline_s = house.loop.time() + SETTLE_S
    while (missing := unsettled(house)) and house.loop.time() < deadline_s:  # noqa: ASYNC110 - nobody could tell
        await asyncio.sleep(0.3)
    house.over = True
    return [f"{missing}, and nothing changes any more"] * bool(missing) + check(house)


async def _good_end(house: House) -> list[str]:
    """All workers are told to stop; then everything has been marked as published."""
    for worker in house.workers:
        worker.leave()
    for _ in range(200):
        if not any(worker.running for worker in house.workers):
            break
        await asyncio.sleep(0.1)
    # A take that was on the way for long, of a worker killed since, may come after all: then nobody marks anything.
    took = {partition: part for _, part, partition in house.observed.takes}
    let_go = {partition: part for _, part, partition in house.observed.let_go}
    violations = [
        f"3. commit, then publish: partition {partition} was left with {state.published_offset} published of"
        f" {state.next_offset}"
        for partition, state in house.database.partitions.items()
        if state.published_offset != state.next_offset and took[partition] == let_go.get(partition)
    ]
    if house.random.random() < 0.1:
        violations += await refuses_a_shorter_log(house)
    return violations
