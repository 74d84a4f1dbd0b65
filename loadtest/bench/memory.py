"""Proportional memory (PSS) of processes: their own pages, and their share of those shared with others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import psutil

from loadtest.bench.processes import PARTS, CpuMeter

MIB = 2**20


class MemoryUnknown(Exception):
    """The memory cannot be read: another user's process, one that has ended, or not Linux."""


def pss_bytes(pid: int) -> int:
    """Proportional memory of a process in bytes. Raises MemoryUnknown."""
    try:
        pss: int = psutil.Process(pid).memory_full_info().pss
        return pss
    except (psutil.Error, AttributeError) as error:
        raise MemoryUnknown(f"memory of process {pid}: {error}") from None


def memory_mib(meter: CpuMeter) -> dict[str, float]:
    """MiB of each part, all its processes together; without parts whose memory is not known."""
    return parts_mib(meter.by_part())


def parts_mib(pids: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """MiB of the processes of each part, in the order of the parts."""
    found: dict[str, float] = {}
    for part in sorted(pids, key=PARTS.index):
        try:
            found[part] = round(sum(pss_bytes(pid) for pid in pids[part]) / MIB, 1)
        except MemoryUnknown:
            continue
    return found
