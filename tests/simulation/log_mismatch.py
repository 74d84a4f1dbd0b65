"""Check of invariant 11: a worker stops at a log that does not match the database, and writes nothing."""

from __future__ import annotations

import asyncio

from runtime.log import WrongLog
from schemas.wire import COMMANDS_TOPIC
from tests.simulation.instance import SimulatedInstance


async def check_truncated_log(instance: SimulatedInstance) -> list[str]:
    """Removes the last record, starts a worker, and returns the violations."""
    logs = [instance.log._partition(COMMANDS_TOPIC, partition) for partition in instance.partitions]
    cut = max(logs, key=len)
    if not cut:
        return []
    worker = instance.workers[0]
    lost, before = cut.pop(), (dict(instance.database.decisions), dict(instance.database.claims))
    ends = len(instance.observations.exits)
    worker.start(even_if_finished=True)
    for _ in range(20):
        if not worker.running:
            break
        await asyncio.sleep(0.1)
    violations = []
    if not any(isinstance(error, WrongLog) for _, error in instance.observations.exits[ends:]):
        violations.append(f"11. one log: without {lost.partition}-{lost.offset} a worker continues")
    if (instance.database.decisions, instance.database.claims) != before:
        violations.append("11. one log: a worker has written something about a log that is not its own")
    worker.kill()
    return violations
