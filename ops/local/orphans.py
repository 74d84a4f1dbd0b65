"""What a killed supervisor leaves behind: records of its children, by which the next one ends them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from runtime.process import CannotStart

_BY_ITSELF_S = 6.0
"""Children are told by the kernel when their supervisor dies; this long they may take to finish."""

_WHEN_TOLD_S = 10.0
_WHEN_KILLED_S = 5.0


class Record(msgspec.Struct, frozen=True):
    """A child that was started. Start time and boot tell it from a later process with the same id."""

    pid: int
    started: int
    """Clock ticks after the boot, as the kernel counts them."""
    boot: str
    stop_signal: int


def record(folder: Path, name: str, pid: int, stop_signal: signal.Signals) -> None:
    """Writes down that `name` runs as process `pid`."""
    entry = Record(pid, _started(pid), _boot(), stop_signal)
    new = folder / f"{name}.new"
    new.write_bytes(msgspec.json.encode(entry))
    new.replace(folder / f"{name}.pid")


def forget(folder: Path, name: str) -> None:
    """Takes the record away once the child has ended."""
    (folder / f"{name}.pid").unlink(missing_ok=True)


def end_leftovers(folder: Path) -> list[str]:
    """Ends every recorded child that still runs; returns the names of all on record. Raises CannotStart.

    To be called by who holds the home: nobody else's children can be meant.
    """
    records: dict[str, Record] = {}
    for path in sorted(folder.glob("*.pid")):
        try:
            records[path.stem] = msgspec.json.decode(path.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError):
            continue  # cut off by a crash of the machine, which ended the child too
    running = _wait(records.values(), _BY_ITSELF_S)
    for entry in running:
        _signal(entry, entry.stop_signal)
    for entry in (running := _wait(running, _WHEN_TOLD_S)):
        _signal(entry, signal.SIGKILL)
    if stuck := _wait(running, _WHEN_KILLED_S):
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
    return entry.boot == _boot() and entry.started != 0 and _started(entry.pid) == entry.started


def _started(pid: int) -> int:
    """When a process started; 0 when there is none, or only its exit status is left."""
    try:
        # The name in parentheses may hold anything; behind it come the state and 18 numbers before ours.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
