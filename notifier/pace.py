"""How fast letters are written: as fast as may be where nobody else needs the machine, slowly where others do.

The lowest priority is not enough. What runs on one core slows its neighbours, who share caches and often the very
core, and what a letter asks of PostgreSQL is answered at a booking's priority. So while others keep more than three
tenths of the machine busy, whoever works here rests nine times as long as the work took.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

BUSY = 0.3
"""The share of all processors from which on others are given way to."""
RESTS = 9.0
"""How many times as long as the work took is then rested."""
_LONGEST_REST_S = 1.0
_LOOK_EVERY_S = 0.25

Used = tuple[float, float]
"""Processor seconds of this machine since it started: of all, and of those in which somebody worked."""


def machine_used(stat: Path = Path("/proc/stat")) -> Used:
    """What Linux has counted. Raises OSError elsewhere."""
    ticks = [int(one) for one in stat.read_text().split("\n", 1)[0].split()[1:9]]
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    idle = ticks[3] + ticks[4]  # waiting for a disk is idle, too
    return sum(ticks) * tick_s, (sum(ticks) - idle) * tick_s


class Pace:
    """Gives way to others on this machine. `used` and `own_s` tell what it and this process have used so far."""

    def __init__(
        self,
        used: Callable[[], Used] = machine_used,
        own_s: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._used = used
        self._own_s = own_s
        self._clock = clock
        self._looked_at = -math.inf
        self._before: tuple[Used, float] | None = None
        self._pressed = False

    def pressed(self) -> bool:
        """Whether others lately kept much of the machine busy."""
        now_s = self._clock()
        if now_s - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now_s
            self._look()
        return self._pressed

    def _look(self) -> None:
        try:
            used, own_s = self._used(), self._own_s()
        except (OSError, ValueError, IndexError):
            return  # not a Linux that tells: nobody is known to be in need
        if self._before is not None:
            (total_s, worked_s), own_before_s = self._before
            passed_s = used[0] - total_s
            if passed_s <= 0:
                return
            self._pressed = used[1] - worked_s - (own_s - own_before_s) > BUSY * passed_s
        self._before = used, own_s

    @asynccontextmanager
    async def working(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Around a piece of work: rests after it where others are in need, until `stop` at most."""
        began_s = self._clock()
        yield
        if self.pressed():
            rest_s = min(RESTS * (self._clock() - began_s), _LONGEST_REST_S)
            try:
                async with asyncio.timeout(rest_s):
                    await stop.wait()
            except TimeoutError:
                pass
