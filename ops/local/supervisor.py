"""The supervisor: starts programs, restarts them when they die, replaces and stops them in order.

A program that dies is restarted at once; one that dies within 5 s of its start is restarted with backoff.
Until `settled` is called, a program that ends is a failure of the whole start instead. A program that is replaced
runs on until its successor is ready; if that fails, nothing has changed.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from ops.local.notices import Notices
from ops.local.orphans import forget, record
from runtime.process import CannotStart
from runtime.retries import Backoff, Retry, retry
from runtime.service_manager import PREPARED, READY

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
    start_successor: Callable[[], subprocess.Popen[bytes]] | None = None
    """Starts a process that runs beside the present one until that has ended; None: as `start` does."""
    hand_over: Callable[[], None] = lambda: None
    """Called before the present process is stopped, once its successor is ready."""


class _Kept(msgspec.Struct, kw_only=True):
    program: Program
    child: subprocess.Popen[bytes]
    keeper: asyncio.Task[None] | None = None
    stopping: bool = False
    retiring: asyncio.Task[None] | None = None
    """Stops the predecessor of the child."""


class Supervisor:
    """Keeps programs running. Records them in `folder`, by which the next supervisor ends them if this one is killed.

    `notices` receives the states that the programs report.
    """

    def __init__(self, folder: Path, notices: Notices) -> None:
        self._folder = folder
        self._notices = notices
        self._kept: dict[str, _Kept] = {}
        self._settled = False
        self._beside: set[subprocess.Popen[bytes]] = set()
        """Successors that are not ready yet, and predecessors that have not ended yet."""
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

    def kept(self) -> Mapping[str, subprocess.Popen[bytes]]:
        """The programs that are kept, each with its present child."""
        return {name: kept.child for name, kept in self._kept.items()}

    async def ready(self, name: str, within_s: float) -> None:
        """Returns once a program reports that it is ready. Raises CannotStart when it ends or needs longer."""
        kept = self._kept[name]
        await self._reported(kept.program, kept.child, within_s, READY)

    async def replace(self, name: str, within_s: float) -> None:
        """Starts a successor of a program and stops the present process once that is ready.

        Raises CannotStart when the successor does not get ready within `within_s`; the present one then runs on.
        """
        kept = self._kept[name]
        program, predecessor = kept.program, kept.child
        if kept.keeper is not None:
            kept.keeper.cancel()  # it must not start the predecessor again beside its successor
        successor: subprocess.Popen[bytes] | None = None
        try:
            successor = (program.start_successor or program.start)()
            self._record(f"{name}.successor", program, successor)
            self._beside.add(successor)
            await self._reported(program, successor, within_s, PREPARED, READY)
        except BaseException:
            if successor is not None:
                await asyncio.shield(self._retire(f"{name}.successor", program, successor))
            kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {name}")
            raise
        kept.child = successor
        self._beside.discard(successor)
        self._beside.add(predecessor)
        self._record(f"{name}.predecessor", program, predecessor)
        self._record(name, program, successor)
        forget(self._folder, f"{name}.successor")
        kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {name}")
        program.hand_over()
        kept.retiring = asyncio.create_task(self._retire(f"{name}.predecessor", program, predecessor))
        await asyncio.shield(kept.retiring)
        await self._reported(program, successor, within_s, READY)

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
        for child in (*self._beside, *(kept.child for kept in self._kept.values())):
            if child.poll() is None:
                child.kill()

    def _start(self, program: Program) -> subprocess.Popen[bytes]:
        child = program.start()
        self._record(program.name, program, child)
        return child

    def _record(self, name: str, program: Program, child: subprocess.Popen[bytes]) -> None:
        try:
            record(self._folder, name, child.pid, program.stop_signal)
        except OSError as error:  # a full disk: running matters more than the record
            _log.error("pid_not_recorded", program=name, pid=child.pid, error=str(error))

    async def _reported(
        self, program: Program, child: subprocess.Popen[bytes], within_s: float, *states: str
    ) -> None:
        """Waits for one of these states of a child. Raises CannotStart when it ends or needs longer."""
        reported = asyncio.create_task(self._notices.reported(child.pid, *states))
        ended = asyncio.create_task(self._ended(child))
        try:
            await asyncio.wait({reported, ended}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reported.cancel()
            ended.cancel()
        if reported.done() and not reported.cancelled():
            return
        if child.returncode is not None:
            how = _how_ended(child.returncode)
            raise CannotStart(f"{program.name} does not start ({how}): {program.why_ended()}")
        raise CannotStart(f"{program.name} is not ready after {within_s:.0f} s: {program.why_ended()}")

    async def _keep(self, kept: _Kept) -> None:
        name = kept.program.name
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            started = time.monotonic()
            await self._ended(kept.child)
            self._notices.forget(kept.child.pid)
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
        name = kept.program.name
        await self._end(kept.program, kept.child)
        if kept.keeper is not None:
            kept.keeper.cancel()
        if kept.retiring is not None:
            await kept.retiring
        forget(self._folder, name)
        self._notices.forget(kept.child.pid)
        if self._kept.get(name) is kept:
            del self._kept[name]

    async def _retire(self, recorded: str, program: Program, child: subprocess.Popen[bytes]) -> None:
        """Ends a process that runs beside the one that is kept."""
        await self._end(program, child)
        self._beside.discard(child)
        self._notices.forget(child.pid)
        forget(self._folder, recorded)

    async def _end(self, program: Program, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is not None:
            return
        child.send_signal(program.stop_signal)
        try:
            await asyncio.wait_for(self._ended(child), program.stop_s)
        except TimeoutError:
            _log.error("program_killed", program=program.name, after_s=program.stop_s)
            child.kill()
            await asyncio.wait_for(self._ended(child), _KILLED_S)

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
