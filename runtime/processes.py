"""Identity of processes: a process id is used again, the pair of id and start time is not."""

from __future__ import annotations

import os

import psutil


def start_ticks(pid: int) -> int:
    """Returns the start time of a process in clock ticks since boot; 0 for one that has ended.

    The time since boot does not change when the clock is set, unlike the time of day.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return 0
        since_boot_s = process.create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return 0
    return round(since_boot_s * os.sysconf("SC_CLK_TCK"))
