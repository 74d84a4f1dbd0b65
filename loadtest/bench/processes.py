"""Processes of Aisle, and the CPU that each part of it has used.

A part is all processes of one kind below the supervisor: PostgreSQL is its postmaster and every backend.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections import Counter
from collections.abc import Collection, Iterator

import psutil

PARTS = ("gateway", "worker", "notifier", "postgres", "redis", "kafka", "supervisor", "other")
"""In the order in which they are shown."""

_PR_SET_PDEATHSIG = 1
_MODULES = {
    "gateway": "gateway",
    "loadtest.bench.do_nothing": "gateway",  # the same server, without the work
    "seat_workers": "worker",
    "notifier": "notifier",
    "ops": "supervisor",
}


def tree(roots: Collection[int]) -> list[psutil.Process]:
    """The processes with these ids and all their descendants, each once."""
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            process = psutil.Process(root)
            found |= {one.pid: one for one in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def part_of(name: str, arguments: Collection[str]) -> str:
    """The part that a process belongs to, by its name and command line."""
    if name.startswith(("postgres", "pgrun")):
        return "postgres"
    if name.startswith("redis-server"):
        return "redis"
    for argument in arguments:
        if argument == "kafka.Kafka":
            return "kafka"
        if argument in _MODULES:
            return _MODULES[argument]
        if os.path.basename(argument) == "aisle":
            return "supervisor"
    return "other"


class CpuMeter:
    """CPU seconds of each part below some processes. The part of a process is looked up once."""

    def __init__(self, roots: Collection[int]) -> None:
        self._roots = tuple(roots)
        self._parts: dict[psutil.Process, str] = {}

    def read(self) -> Counter[str]:
        """CPU seconds used so far, by part.

        The time of a process includes that of the children it has reaped, so that the sum over a tree never
        loses what an ended process used.
        """
        used: Counter[str] = Counter()
        for process, part in self._each():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used[part] += times.user + times.system + times.children_user + times.children_system  # type: ignore[assignment]  # Counter counts ints by its stub alone
        return used

    def by_part(self) -> dict[str, list[int]]:
        """The process ids of each part, as they are now."""
        found: dict[str, list[int]] = {}
        for process, part in self._each():
            found.setdefault(part, []).append(process.pid)
        return found

    def pids(self, part: str) -> list[int]:
        """The process ids of one part, as they are now."""
        return self.by_part().get(part, [])

    def _each(self) -> Iterator[tuple[psutil.Process, str]]:
        for process in tree(self._roots):
            part = self._parts.get(process)
            if part is None:
                try:
                    part = part_of(process.name(), process.cmdline())
                except psutil.Error:  # it has just ended
                    continue
                self._parts[process] = part
            yield process, part


def listening_pid(port: int) -> int | None:
    """The process that listens on a TCP port of this machine, if this user may see it."""
    for process in psutil.process_iter():
        try:
            sockets = process.net_connections("tcp")
        except psutil.Error:
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port for one in sockets):
            return process.pid
    return None


def end_with_parent() -> None:
    """Ends this process by SIGTERM when its parent ends, however it ends. To be called at the start."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def raise_open_files() -> int:
    """Raises the limit of open files to its maximum, for this process and its children. Returns the limit."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return limit
