"""The supervisor: starts programs, restarts them when they die, stops them in order.

A program that dies is restarted at once; one that dies within 5 s of its start is restarted with backoff.
Until `settled` is called, a program that ends is a failure of the whole start instead.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from ops.local.orphans import forget, record
from runtime.process import CannotStart
from runtime.retries import Backoff, Retry, retry

_SOON_S = 5.0
"""A program that lived shorter than this is restarted with backoff."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_KILLED_S = 5.0

_log = structlog.get_logger()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program to be kept running."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 15.0
    """Seconds to stop in before it is killed."""
    why_ended: Callable[[], str] = lambda: "see its last log line"


class _Kept(msgspec.Struct, kw_only=True):
    program: Program
    child: subprocess.Popen[bytes]
    keeper: asyncio.Task[None] | None = None
    stopping: bool = False


class Supervisor:
    """Keeps programs running. Records them in `folder`, by which a successor ends them if it is killed itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, _Kept] = {}
        self._settled = False
        self._child_ended = asyncio.Event()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises CannotStart when a program ends before `settled`."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._on_child_ended)

    def keep(self, program: Program) -> subprocess.Popen[bytes]:
        """Starts a program and keeps it running."""
        kept = _Kept(program=program, child=self._start(program))
        self._kept[program.name] = kept
        kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {program.name}")
        return kept.child

    def settled(self) -> None:
        """Marks the start as successful: from now on, programs that die are restarted."""
        self._settled = True

    async def stop(self, names: Sequence[str]) -> None:
        """Stops these programs at the same time; kills those that exceed their `stop_s`."""
        wanted = [self._kept[name] for name in names if name in self._kept]
        for kept in wanted:
            kept.stopping = True
        await asyncio.gather(*(self._stop(kept) for kept in wanted))

    def kill_all(self) -> None:
        """Kills all programs at once."""
        for kept in self._kept.values():
            kept.stopping = True
            if kept.child.poll() is None:
                kept.child.kill()

    def _start(self, program: Program) -> subprocess.Popen[bytes]:
        child = program.start()
        try:
            record(self._folder, program.name, child.pid, program.stop_signal)
        except OSError as error:  # a full disk: running matters more than the record
            _log.error("pid_not_recorded", program=program.name, pid=child.pid, error=str(error))
        return child

    async def _keep(self, kept: _Kept) -> None:
        name = kept.program.name
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            started = time.monotonic()
            await self._ended(kept.child)
            if kept.stopping:
                return
            how = _how_ended(kept.child.returncode)
            if not self._settled:
                if not self.failure.done():
                    why = kept.program.why_ended()
                    self.failure.set_exception(CannotStart(f"{name} does not start ({how}): {why}"))
                return
            lived_s = time.monotonic() - started
            pause_s = 0.0
            if lived_s < _SOON_S:
                pause_s = backoff.next_s()
            else:
                backoff.reset()
            _log.error("program_died", program=name, how=how, after_s=round(lived_s, 1), restart_in_s=pause_s)
            await asyncio.sleep(pause_s)
            await self._restart(kept)

    async def _restart(self, kept: _Kept) -> None:
        async def start() -> None:
            # In this thread: children are tied to the life of the thread that starts them.
            if not kept.stopping:
                kept.child = self._start(kept.program)

        def log_retry(failed: Retry) -> None:
            _log.error(
                "program_start_failed",
                program=kept.program.name,
                reason=str(failed.error),
                retry_s=failed.pause_s,
            )

        pauses = {"first_s": _FIRST_PAUSE_S, "longest_s": _LONGEST_PAUSE_S}
        await retry(start, CannotStart, OSError, **pauses, on_retry=log_retry)

    async def _stop(self, kept: _Kept) -> None:
        program = kept.program
        if kept.child.poll() is None:
            kept.child.send_signal(program.stop_signal)
            try:
                await asyncio.wait_for(self._ended(kept.child), program.stop_s)
            except TimeoutError:
                _log.error("program_killed", program=program.name, after_s=program.stop_s)
                kept.child.kill()
                await asyncio.wait_for(self._ended(kept.child), _KILLED_S)
        if kept.keeper is not None:
            kept.keeper.cancel()
        forget(self._folder, program.name)

    async def _ended(self, child: subprocess.Popen[bytes]) -> None:
        while child.poll() is None:
            await self._child_ended.wait()

    def _on_child_ended(self) -> None:
        ended, self._child_ended = self._child_ended, asyncio.Event()
        ended.set()


def _how_ended(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
