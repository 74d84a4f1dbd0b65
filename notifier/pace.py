"""Pacing of the notifier: full speed on an idle machine, a tenth of it while other processes are busy.

The lowest CPU priority alone is not enough: a process slows those that share its core and its caches, and PostgreSQL
serves the notifier's queries at the priority of a booking. While other processes use more than 30 % of the machine,
the notifier therefore pauses nine times as long as each piece of work took. Processes at a low priority do not count:
another notifier is no reason to pause.
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
"""Share of all processors, used by other processes, above which the notifier pauses."""
PAUSE_FACTOR = 9.0
"""Length of a pause, as a multiple of the time that the work took."""
_LONGEST_PAUSE_S = 1.0
_SAMPLE_EVERY_S = 0.25

Used = tuple[float, float]
"""Processor seconds of this machine since its start: total, and busy with what has no low priority."""


def machine_used(stat: Path = Path("/proc/stat")) -> Used:
    """The processor seconds from /proc/stat. Raises OSError where there is none.

    Of processes at a low priority, the time in the kernel counts all the same: Linux has no figure of its own for it.
    """
    ticks = [int(one) for one in stat.read_text().split("\n", 1)[0].split()[1:9]]
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    low, idle = ticks[1], ticks[3] + ticks[4]  # waiting for a disk counts as idle
    return sum(ticks) * tick_s, (sum(ticks) - idle - low) * tick_s


def own_used() -> float:
    """This process's part of the busy seconds of `machine_used`."""
    times = os.times()
    return times.system + (0.0 if os.getpriority(os.PRIO_PROCESS, 0) > 0 else times.user)


class Pace:
    """Pauses after work while other processes are busy.

    `used` returns the processor seconds of the machine, `own_s` those of this process.
    """

    def __init__(
        self,
        used: Callable[[], Used] = machine_used,
        own_s: Callable[[], float] = own_used,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._used = used
        self._own_s = own_s
        self._clock = clock
        self._sampled_at = -math.inf
        self._before: tuple[Used, float] | None = None
        self._busy = False

    def machine_busy(self) -> bool:
        """Whether other processes used more than BUSY of the machine in the last sample."""
        now_s = self._clock()
        if now_s - self._sampled_at >= _SAMPLE_EVERY_S:
            self._sampled_at = now_s
            self._sample()
        return self._busy

    def _sample(self) -> None:
        try:
            used, own_s = self._used(), self._own_s()
        except (OSError, ValueError, IndexError):
            return  # no /proc/stat: the load is unknown and counts as none
        if self._before is not None:
            (total_s, busy_s), own_before_s = self._before
            passed_s = used[0] - total_s
            if passed_s <= 0:
                return
            self._busy = used[1] - busy_s - (own_s - own_before_s) > BUSY * passed_s
        self._before = used, own_s

    @asynccontextmanager
    async def paced(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Wraps a piece of work: pauses after it while other processes are busy. `stop` ends the pause."""
        began_s = self._clock()
        yield
        if self.machine_busy():
            pause_s = min(PAUSE_FACTOR * (self._clock() - began_s), _LONGEST_PAUSE_S)
            try:
                async with asyncio.timeout(pause_s):
                    await stop.wait()
            except TimeoutError:
                pass
