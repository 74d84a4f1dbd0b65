"""The supervisor: starts programs, starts them again when they die, ends them in order.

A program that dies is started again at once; only one that dies within 5 s of its start waits, longer each
time. Until `settled` is called, a program that ends is a failure of the whole start instead.
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

_SOON_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_KILLED_S = 5.0

_log = structlog.get_logger()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that is to run all the time."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 15.0
    """How long it may take to stop before it is killed."""
    why_ended: Callable[[], str] = lambda: "its last line says why"


class _Kept(msgspec.Struct, kw_only=True):
    program: Program
    child: subprocess.Popen[bytes]
    keeper: asyncio.Task[None] | None = None
    stopping: bool = False


class Supervisor:
    """Keeps programs running. Records them in `folder` for the case that it is killed itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, _Kept] = {}
        self._settled = False
        self._child_ended = asyncio.Event()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises CannotStart when a program ends before `settled`."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._on_child_ended)

    def keep(self, program: Program) -> subprocess.Popen[bytes]:
        """Starts a program and keeps it running from now on."""
        kept = _Kept(program=program, child=self._start(program))
        self._kept[program.name] = kept
        kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {program.name}")
        return kept.child

    def settled(self) -> None:
        """The start has succeeded: from now on, what dies is started again."""
        self._settled = True

    async def stop(self, names: Sequence[str]) -> None:
        """Stops these programs, all at the same time; kills those that take longer than they may."""
        wanted = [self._kept[name] for name in names if name in self._kept]
        for kept in wanted:
            kept.stopping = True
        await asyncio.gather(*(self._stop(kept) for kept in wanted))

    def kill_all(self) -> None:
        """Ends everything at once, without ceremony."""
        for kept in self._kept.values():
            kept.stopping = True
            if kept.child.poll() is None:
                kept.child.kill()

    def _start(self, program: Program) -> subprocess.Popen[bytes]:
        child = program.start()
        try:
            record(self._folder, program.name, child.pid, program.stop_signal)
        except OSError as error:  # a full disk: it runs, which matters more
            _log.error(f"{program.name} runs and is not on record", pid=child.pid, error=str(error))
        return child

    async def _keep(self, kept: _Kept) -> None:
        name = kept.program.name
        pause_s = 0.0
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
            soon = lived_s < _SOON_S
            pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S) if soon else 0.0
            _log.error(
                f"{name} has died and is started again", how=how, after_s=round(lived_s, 1), in_s=pause_s
            )
            await asyncio.sleep(pause_s)
            if not await self._start_again(kept):
                return

    async def _start_again(self, kept: _Kept) -> bool:
        pause_s = _FIRST_PAUSE_S
        while not kept.stopping:
            try:
                # In this thread: children are tied to the life of the thread that starts them.
                kept.child = self._start(kept.program)
                return True
            except (CannotStart, OSError) as error:
                _log.error(f"{kept.program.name} cannot be started", reason=str(error), again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return False

    async def _stop(self, kept: _Kept) -> None:
        program = kept.program
        if kept.child.poll() is None:
            kept.child.send_signal(program.stop_signal)
            try:
                await asyncio.wait_for(self._ended(kept.child), program.stop_s)
            except TimeoutError:
                _log.error(f"{program.name} does not stop and is killed", after_s=program.stop_s)
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
