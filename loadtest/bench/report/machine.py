"""Description of the machine and of the code that was measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

_SYNCS = 50
_PAGE = b"\0" * 8192


class Machine(msgspec.Struct, frozen=True):
    """The machine, and the version of the code."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    sync_ms: float
    """Median time of a synced write of 8 KiB. Far below 0.1, the disk does not sync."""
    commit: str
    """Commit of the checkout, with a plus sign when it had uncommitted changes."""


def describe(folder: Path) -> Machine:
    """Describes this machine; its disk is measured in `folder`."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        sync_ms=round(_sync_ms(folder), 3),
        commit=_commit(),
    )


def _cpu() -> str:
    """The model of the CPU, which psutil does not know."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _sync_ms(folder: Path) -> float:
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), _PAGE)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _commit() -> str:
    try:
        return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
