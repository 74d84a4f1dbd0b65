"""Gives memory back to the system after many connections have ended.

Two things keep it: the collector, which settle_gc has made rare, so that objects that refer to each other wait for
hours; and malloc, which keeps what is free below the top of its heap. Both are asked to let go once a
crowd has left, when a pause of some milliseconds matters least.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

from gateway.server.connections import Connections

_EVERY_S = 20.0
_MANY = 64
"""Connections that have to have ended since the peak, which are at least half of it."""


async def give_back_memory(connections: Connections) -> None:
    """Watches the number of connections, for ever."""
    trim = _malloc_trim()
    while True:
        await asyncio.sleep(_EVERY_S)
        gone = connections.peak - connections.total
        if gone >= max(_MANY, connections.total):
            connections.peak = connections.total
            gc.collect()
            trim(0)


def _malloc_trim() -> Callable[[int], int]:
    """glibc's function; another C library does without."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return int
    return trim
