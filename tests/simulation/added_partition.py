"""A partition that is added in the middle of a run, and a show on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.simulation.instance import PARTITIONS, SimulatedInstance
from tests.simulation.loop import Part

_SHARE = 0.2
"""Of the runs, those in which a partition is added."""


def add_partition(instance: SimulatedInstance) -> Iterator[asyncio.Task[Any]]:
    """Starts the addition in some runs. Draws of its own, so that the other runs stay as they were."""
    random = Random(f"{instance.seed} another partition")
    if random.random() < _SHARE:
        yield instance.loop.spawn(Part("operator"), _add(instance, random.uniform(0.0, 2.0)))


async def _add(instance: SimulatedInstance, after_s: float) -> None:
    await asyncio.sleep(after_s)
    instance.observations.log("operator", "adds a partition")
    await instance.log.add_partitions(PARTITIONS + 1)
    # As gateways do: no show is placed on a partition that no worker has taken.
    while PARTITIONS not in instance.database.partitions:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    show = len(instance.shows) + 1
    instance.database.partition_of_show[show] = PARTITIONS
    staff = instance.staff
    opening = instance.loop.spawn(staff.part, staff.open_show(show))
    instance.shows.append(show)
    await opening
