"""Gives memory back to the system after many connections have ended.

Freed connections stay allocated for two reasons: collections are rare after `settle_gc`, so reference cycles live for
hours; and malloc keeps free memory below the top of its heap. Both are cleaned up after a peak of connections, when
a pause of some milliseconds matters least.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

from gateway.server.connections import Connections

_EVERY_S = 20.0
_MIN_ENDED = 64
"""Minimum number of connections that have ended since the peak; they must also be at least half of the peak."""


async def give_back_memory(connections: Connections) -> None:
    """Watches the number of connections until cancelled, and releases memory after a peak."""
    trim = _malloc_trim()
    while True:
        await asyncio.sleep(_EVERY_S)
        ended = connections.peak - connections.total
        if ended >= max(_MIN_ENDED, connections.total):
            connections.peak = connections.total
            gc.collect()
            trim(0)


def _malloc_trim() -> Callable[[int], int]:
    """Returns glibc's malloc_trim; for another C library, a function without effect."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return int
    return trim
