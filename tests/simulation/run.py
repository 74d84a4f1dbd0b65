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
from tests.simulation.instance import PARTITIONS, SimulatedInstance
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


def run(
    seed: int,
    *,
    telling: bool = False,
    instance_of: Callable[..., SimulatedInstance] = SimulatedInstance,
    **types: Any,
) -> Result:
    """One schedule. The same seed gives the same run, whatever else goes on."""
    instance = instance_of(seed, telling=telling, **types)
    real_step: Callable[..., Any] = vars(decider)["step"]

    def step(show: Any, command: Any, now_ms: int) -> Any:
        decision = real_step(show, command, now_ms)
        if command.command_id in instance.raising:
            raise ArithmeticError("a bug in the rules, after the state has changed")
        return decision

    try:
        with simulated_clocks(instance), patch.object(decider, "step", step):
            try:
                violations = instance.loop.run_until_complete(
                    instance.loop.spawn(Part("main"), _whole(instance))
                )
            except Exception:
                violations = [f"the run broke: {traceback.format_exc()}"]
    finally:
        instance.loop.close()
    return Result(
        seed,
        violations,
        sum(
            len(instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6)) for partition in range(PARTITIONS)
        ),
        instance.loop.steps,
        instance.observed.story(),
    )


async def _whole(instance: SimulatedInstance) -> list[str]:
    await instance.log.create(PARTITIONS)
    for process in instance.processes:
        process.start()
    await _trouble(instance)
    violations = await _calm(instance)
    if not violations:
        violations = await _good_end(instance)
    for process in instance.processes:
        process.kill()
    for client in (instance.staff, *instance.customers):
        instance.loop.kill(client.part)
    await asyncio.sleep(0.01)  # until everybody has unwound
    return violations


async def _trouble(instance: SimulatedInstance) -> None:
    """Clients ask while fate strikes; at the end all clients have been answered, or given up."""
    random, loop = instance.random, instance.loop
    instance.staff = staff = Staff(instance, STAFF)
    instance.customers = [Customer(instance, user_id) for user_id in range(1, 1 + random.randrange(2, 6))]
    instance.think_s = random.choice((0.001, 0.01, 0.05, 0.3))
    each = 1 + random.randrange(15, 50) // (1 + len(instance.customers))
    striking = asyncio.create_task(strike_on(instance))
    opening = loop.spawn(staff.part, staff.open_shows())
    await asyncio.wait([opening], timeout=0.5 * random.random())
    busy = [
        opening,
        *[loop.spawn(one.part, one.run(each)) for one in instance.customers],
        loop.spawn(staff.part, staff.run(each)),
    ]
    await asyncio.wait(busy, timeout=TROUBLE_S)
    striking.cancel()
    instance.calm_down()
    instance.observed.tell("fate", "lets everything settle")
    await asyncio.wait(busy, timeout=SETTLE_S)


async def _calm(instance: SimulatedInstance) -> list[str]:
    """Waits until there is nothing left to do, and checks."""
    deadline_s = instance.loop.time() + SETTLE_S
    while (missing := unsettled(instance)) and instance.loop.time() < deadline_s:  # noqa: ASYNC110 - nobody could tell
        await asyncio.sleep(0.3)
    instance.over = True
    return [f"{missing}, and nothing changes any more"] * bool(missing) + check(instance)


async def _good_end(instance: SimulatedInstance) -> list[str]:
    """All workers are told to stop; then everything has been marked as published."""
    for worker in instance.workers:
        worker.leave()
    for _ in range(200):
        if not any(worker.running for worker in instance.workers):
            break
        await asyncio.sleep(0.1)
    # A take that was on the way for long, of a worker killed since, may come after all: then nobody marks anything.
    took = {partition: part for _, part, partition in instance.observed.takes}
    let_go = {partition: part for _, part, partition in instance.observed.let_go}
    violations = [
        f"3. commit, then publish: partition {partition} was left with {state.published_offset} published of"
        f" {state.next_offset}"
        for partition, state in instance.database.partitions.items()
        if state.published_offset != state.next_offset and took[partition] == let_go.get(partition)
    ]
    if instance.random.random() < 0.1:
        violations += await refuses_a_shorter_log(instance)
    return violations
