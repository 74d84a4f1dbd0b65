"""Orphaned processes of a killed supervisor: records of its children, by which the next one ends them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from runtime.process import CannotStart
from runtime.processes import start_ticks

_UNPROMPTED_S = 6.0
"""Time to finish without a signal from here: the kernel sends children one when their supervisor dies."""

_SIGNALLED_S = 10.0
_KILLED_S = 5.0


class Record(msgspec.Struct, frozen=True):
    """A started child. Start time and boot distinguish it from a later process with the same id."""

    pid: int
    started: int
    """Clock ticks since boot."""
    boot: str
    stop_signal: int


def record(folder: Path, name: str, pid: int, stop_signal: signal.Signals) -> None:
    """Records that `name` runs as process `pid`."""
    entry = Record(pid, start_ticks(pid), _boot(), stop_signal)
    new = folder / f"{name}.new"
    new.write_bytes(msgspec.json.encode(entry))
    new.replace(folder / f"{name}.pid")


def forget(folder: Path, name: str) -> None:
    """Removes the record of a child that has ended."""
    (folder / f"{name}.pid").unlink(missing_ok=True)


def end_orphans(folder: Path) -> list[str]:
    """Ends every recorded child that still runs; returns the names of all recorded ones. Raises CannotStart.

    The caller holds the lock of the home, so no other supervisor is responsible for these children.
    """
    records: dict[str, Record] = {}
    for path in sorted(folder.glob("*.pid")):
        try:
            records[path.stem] = msgspec.json.decode(path.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            continue  # cut off by a crash of the machine, which ended the child too
    running = _wait(records.values(), _UNPROMPTED_S)
    for entry in running:
        _signal(entry, entry.stop_signal)
    for entry in (running := _wait(running, _SIGNALLED_S)):
        _signal(entry, signal.SIGKILL)
    if stuck := _wait(running, _KILLED_S):
        raise CannotStart(f"processes of an earlier start do not end: {[entry.pid for entry in stuck]}")
    for path in folder.glob("*.pid"):
        path.unlink()
    return list(records)


def _wait(records: Iterable[Record], seconds: float) -> list[Record]:
    deadline = time.monotonic() + seconds
    while running := [entry for entry in records if _runs(entry)]:
        if time.monotonic() > deadline:
            return running
        time.sleep(0.05)
    return []


def _signal(entry: Record, number: int) -> None:
    try:
        os.kill(entry.pid, number)
    except ProcessLookupError:
        pass


def _runs(entry: Record) -> bool:
    return entry.boot == _boot() and entry.started != 0 and start_ticks(entry.pid) == entry.started


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
