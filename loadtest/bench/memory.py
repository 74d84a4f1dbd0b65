"""Memory of processes, what they share counted in part (PSS), as the kernel tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from loadtest.bench.processes import PARTS, CpuMeter

MIB = 2**20


class MemoryUnknown(Exception):
    """The kernel does not tell: another user's process, one that has ended, or not Linux."""


def pss_bytes(pid: int) -> int:
    """Proportional memory of a process. Raises MemoryUnknown."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError as error:
        raise MemoryUnknown(f"the memory of process {pid}: {error.strerror}") from None
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise MemoryUnknown(f"the kernel does not tell the memory of process {pid}")


def memory_mib(meter: CpuMeter) -> dict[str, float]:
    """MiB of each part, all its processes together; without parts of which it is not known."""
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
