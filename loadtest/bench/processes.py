"""What the processes of Aisle are and how much CPU each part has used, from /proc.

A part is all processes of one kind below the supervisor: PostgreSQL is its postmaster and every backend.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PARTS = ("gateway", "worker", "notifier", "postgres", "redis", "kafka", "supervisor", "other")
"""In the order in which they are shown."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1


class Process(NamedTuple):
    """One process as /proc/<pid>/stat has it. `cpu_s` counts its threads and the children it has reaped, so
    that the sum over a tree never loses what an ended process used."""

    pid: int
    parent: int
    name: str
    cpu_s: float


def read_stat(stat: str) -> Process:
    """One line of /proc/<pid>/stat. A name may hold blanks and brackets."""
    opening, closing = stat.index("("), stat.rindex(")")
    fields = stat[closing + 2 :].split()
    return Process(
        pid=int(stat[:opening]),
        parent=int(fields[1]),
        name=stat[opening + 1 : closing],
        cpu_s=sum(int(ticks) for ticks in fields[11:15]) * _TICK_S,
    )


def processes() -> dict[int, Process]:
    """All processes of the machine that can be seen, by pid."""
    return {process.pid: process for process in _each_process()}


def _each_process() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield read_stat(Path("/proc", name, "stat").read_text(errors="replace"))
            except OSError:  # it has just ended
                continue


def tree(all_processes: Mapping[int, Process], roots: Collection[int]) -> list[Process]:
    """The roots and everything below them."""
    below: dict[int, list[Process]] = {}
    for process in all_processes.values():
        below.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = [all_processes[root] for root in roots if root in all_processes]
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += below.get(process.pid, ())
    return list(found.values())


def part_of(name: str, arguments: Collection[str]) -> str:
    """Which part a process belongs to, by its name and command line."""
    if name.startswith(("postgres", "pgrun")):
        return "postgres"
    if name.startswith("redis-server"):
        return "redis"
    modules = {
        "gateway": "gateway",
        "loadtest.bench.do_nothing": "gateway",  # the same server, without the work
        "seat_workers": "worker",
        "notifier": "notifier",
        "ops": "supervisor",
    }
    for argument in arguments:
        if argument == "kafka.Kafka":
            return "kafka"
        if argument in modules:
            return modules[argument]
        if os.path.basename(argument) == "aisle":
            return "supervisor"
    return "other"


class CpuMeter:
    """CPU seconds of each part below some processes. What a process is, is looked up once."""

    def __init__(self, roots: Collection[int]) -> None:
        self._roots = tuple(roots)
        self._parts: dict[int, str] = {}

    def read(self) -> Counter[str]:
        """CPU seconds used so far, by part."""
        used: Counter[str] = Counter()
        for process in tree(processes(), self._roots):
            part = self._parts.get(process.pid)
            if part is None:
                part = self._parts[process.pid] = part_of(process.name, _arguments(process.pid))
            used[part] += process.cpu_s  # type: ignore[assignment]  # Counter counts ints by its stub alone
        return used

    def by_part(self) -> dict[str, list[int]]:
        """The processes of each part, as they are now."""
        found: dict[str, list[int]] = {}
        for process in tree(processes(), self._roots):
            found.setdefault(part_of(process.name, _arguments(process.pid)), []).append(process.pid)
        return found

    def pids(self, part: str) -> list[int]:
        """The processes of one part, as they are now."""
        return self.by_part().get(part, [])


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def listening_pid(port: int) -> int | None:
    """The pid of who listens on a TCP port of this machine, if it can be seen."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    if sockets:
        for process in _each_process():
            try:
                names = os.listdir(f"/proc/{process.pid}/fd")
            except OSError:
                continue
            if any(_target(process.pid, name) in sockets for name in names):
                return process.pid
    return None


def _target(pid: int, descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except OSError:
        return ""


def end_with_parent() -> None:
    """Ends this process by SIGTERM when its parent ends, however that comes about. Call it first thing."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def raise_open_files() -> int:
    """Lets this process and those it starts open as many files as the system allows at all. Returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
