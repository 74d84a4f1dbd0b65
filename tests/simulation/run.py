"""Runs one schedule from its seed: requests and faults, then settling, then the checks."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec

from schemas.wire import COMMANDS_TOPIC
from seat_workers import decider
from tests.simulation.added_partition import add_partition
from tests.simulation.checker import check
from tests.simulation.clocks import simulated_clocks
from tests.simulation.fault_injector import inject_faults
from tests.simulation.instance import PARTITIONS, SimulatedInstance
from tests.simulation.log_mismatch import check_truncated_log
from tests.simulation.loop import Part
from tests.simulation.modes import ALL_COMMANDS, Mode
from tests.simulation.settled import last_due_ms, unsettled
from tests.simulation.staff import STAFF

FAULTS_S = 60.0
TIMERS_PENDING = "8."
"""What an unfinished run is reported with that has only long holds and blocks left to wait for."""
SETTLE_S = 240.0


class Result(msgspec.Struct, frozen=True):
    """The result of one schedule."""

    seed: int
    violations: list[str]
    commands: int
    steps: int
    trace: str


def run(
    seed: int,
    *,
    tracing: bool = False,
    mode: Mode = ALL_COMMANDS,
    **types: Any,
) -> Result:
    """Runs one schedule. The same seed always gives the same run."""
    instance = SimulatedInstance(seed, tracing=tracing, hall=mode.hall, max_shows=mode.max_shows, **types)
    real_step: Callable[..., Any] = vars(decider)["step"]

    def step(show: Any, command: Any, now_ms: int) -> Any:
        decision = real_step(show, command, now_ms)
        if command.command_id in instance.failing_commands:
            raise ArithmeticError("a bug in the rules, after the state has changed")
        return decision

    try:
        with simulated_clocks(instance), patch.object(decider, "step", step):
            main = Part("main")
            try:
                violations = instance.loop.run_until_complete(
                    instance.loop.spawn(main, _run_all(instance, mode))
                )
            except Exception:
                violations = [f"the run broke: {traceback.format_exc()}"]
                instance.loop.kill(main)
            steps, instance.loop.steps = instance.loop.steps, 0
            instance.loop.run_until_complete(instance.loop.spawn(Part("end"), _unwind(instance)))
    finally:
        instance.loop.close()
    return Result(
        seed,
        violations,
        sum(
            len(instance.log.records(COMMANDS_TOPIC, partition, 0, 10**6))
            for partition in instance.partitions
        ),
        steps,
        instance.observations.trace(),
    )


async def _run_all(instance: SimulatedInstance, mode: Mode) -> list[str]:
    await instance.log.create(PARTITIONS)
    for process in instance.processes:
        process.start()
    await _run_with_faults(instance, mode)
    violations = await _settle_and_check(instance)
    if not violations:
        violations = await _stop_and_check(instance)
    return violations


async def _unwind(instance: SimulatedInstance) -> None:
    """Ends all tasks of a run, broken or not: what is left of one must not run during the next."""
    instance.finished = True
    for process in instance.processes:
        process.kill()
    for client in (instance.staff, *instance.customers):
        if client is not None:
            instance.loop.kill(client.part)
    await asyncio.sleep(0.01)


async def _run_with_faults(instance: SimulatedInstance, mode: Mode) -> None:
    """Clients send requests during faults. At the end each request has a response or was given up."""
    random, loop = instance.random, instance.loop
    instance.staff = staff = mode.staff(instance, STAFF)
    instance.customers = [
        mode.customer(instance, user_id) for user_id in range(1, 1 + random.randrange(2, 6))
    ]
    instance.think_s = random.choice((0.001, 0.01, 0.05, 0.3))
    each = 1 + random.randrange(15, 50) // (1 + len(instance.customers))
    injecting = asyncio.create_task(inject_faults(instance))
    opening = loop.spawn(staff.part, staff.open_shows())
    await asyncio.wait([opening], timeout=0.5 * random.random())
    busy = [
        opening,
        *[loop.spawn(one.part, one.run(each)) for one in instance.customers],
        loop.spawn(staff.part, staff.run(each)),
        *add_partition(instance),
    ]
    await asyncio.wait(busy, timeout=FAULTS_S)
    injecting.cancel()
    instance.stop_faults()
    instance.observations.log("faults", "end")
    await asyncio.wait(busy, timeout=SETTLE_S)


async def _settle_and_check(instance: SimulatedInstance) -> list[str]:
    """Waits until the instance has settled, then checks it."""
    deadline_s = instance.loop.time() + SETTLE_S
    while (missing := unsettled(instance)) and instance.loop.time() < deadline_s:
        await asyncio.sleep(0.3)
        if missing.startswith(TIMERS_PENDING):
            instance.skip_to(last_due_ms(instance))
    instance.finished = True
    return [f"{missing}, and nothing changes any more"] * bool(missing) + check(instance)


async def _stop_and_check(instance: SimulatedInstance) -> list[str]:
    """Stops all workers in order; then everything must be marked as published."""
    for worker in instance.workers:
        worker.stop_gracefully()
    for _ in range(200):
        if not any(worker.running for worker in instance.workers):
            break
        await asyncio.sleep(0.1)
    # A delayed take of a killed worker may still arrive: then no worker owns the partition, and none marks it.
    took = {partition: part for _, part, partition in instance.observations.takes}
    revokes = {partition: part for _, part, partition in instance.observations.revokes}
    violations = [
        f"3. commit, then publish: partition {partition} was left with {state.published_offset} published of"
        f" {state.next_offset}"
        for partition, state in instance.database.partitions.items()
        if state.published_offset != state.next_offset and took[partition] == revokes.get(partition)
    ]
    if instance.random.random() < 0.1:
        violations += await check_truncated_log(instance)
    return violations
