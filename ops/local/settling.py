"""Settling of the consumer group after workers were added, replaced or removed: each partition has one worker again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from ops.local.process_table import partitions_of

_WITHIN_S = 20.0
_EVERY_S = 0.1


def settled(
    assigned: Collection[Sequence[int] | None], partitions: Collection[int], *, balanced: bool
) -> bool:
    """Whether each of these partitions has exactly one worker.

    `assigned`: the partitions of each worker; None for one that does not answer. `balanced`: whether, besides, no
    worker may have two more than another: one that has lost its place in the group for a moment gets its share back.
    """
    found = [own for own in assigned if own is not None]
    if len(found) < len(assigned) or not found:
        return False
    counts = [len(own) for own in found]
    owned = {partition for own in found for partition in own}
    return (
        sum(counts) == len(owned)
        and owned >= set(partitions)
        and (not balanced or max(counts) - min(counts) <= 1)
    )


async def assignments(workers: Sequence[str]) -> list[list[int] | None]:
    """Returns the partitions of each of these workers, as it reports them."""
    return await asyncio.gather(*(partitions_of(worker) for worker in workers))


async def until_settled(workers: Sequence[str], partitions: Collection[int], *, balanced: bool) -> bool:
    """Waits at most 20 s until the partitions have settled. Returns whether they have."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WITHIN_S
    while not settled(await assignments(workers), partitions, balanced=balanced):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_EVERY_S)
    return True
