"""Process life of a service: read the settings, run until a stop signal, report the reason of a failure."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import hashlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import structlog
import uvloop

from runtime.log import LogUnavailable, WrongLog
from runtime.open_files import raise_limit
from runtime.postgres import DatabaseUnavailable
from runtime.settings import SettingError, Settings, read_settings
from runtime.telemetry import configure_logs

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]

_PR_SET_PDEATHSIG = 1
_ADDRESS_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)

_log = structlog.get_logger()


class CannotStart(Exception):
    """A precondition of the start is missing. The message is one line that names it and the remedy."""


def run_service(name: str, main: Main) -> NoReturn:
    """Runs `main(settings, stop)` as this process and exits: 0 after a stop, 1 after a failure.

    SIGTERM or SIGINT sets `stop`, and `main` drains and returns; a second signal ends the process at once.
    An error that an operator can correct is one line in the log, any other is logged with its traceback.
    """
    try:
        settings = read_settings(os.environ)
    except SettingError as error:
        configure_logs(name, "info")
        _log.error(str(error))
        sys.exit(1)
    configure_logs(settings.process or name, settings.log_level)
    if settings.supervisor is not None:
        _stop_with_parent(settings.supervisor)
    raise_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run_main(main, settings))
    except Exception as error:
        if (reason := known_reason(error)) is None:
            _log.exception("service_failed")
        else:
            _log.error(reason)
        sys.exit(1)
    sys.exit(0)


async def _run_main(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await main(settings, stop)
    if not stop.is_set():
        raise RuntimeError("the service ended without a stop signal")


def known_reason(error: BaseException) -> str | None:
    """Returns the one-line message of an error that an operator can correct; None for an unexpected one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, (CannotStart, SettingError, WrongLog, LogUnavailable, DatabaseUnavailable)):
        return str(error)
    if isinstance(error, OSError) and error.errno in _ADDRESS_ERRORS:
        return str(error)
    return None


def group_instance(settings: Settings) -> str | None:
    """Returns a name that this process shares with its predecessors and successors, and with no other process.

    It is AISLE_GROUP_INSTANCE, where the operator ensures that one of that name runs at a time; else the
    supervisor ensures it. None without both.
    """
    if settings.group_instance is not None:
        return settings.group_instance
    if settings.supervisor is None or settings.process is None:
        return None
    from runtime.processes import start_ticks  # only here: a service without a group instance needs no psutil

    # The start time distinguishes the supervisor from one with the same id in another container.
    owner = [socket.gethostname(), str(settings.supervisor), str(start_ticks(settings.supervisor))]
    return f"{settings.process}-{hashlib.sha256(' '.join(owner).encode()).hexdigest()[:16]}"


async def run_until(stop: asyncio.Event, *tasks: asyncio.Task[Any]) -> None:
    """Waits for `stop`. Raises as soon as one of the tasks ends before that.

    The tasks themselves go on; the caller ends them.
    """
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if task.done() and not stop.is_set():
            raise RuntimeError(f"the task {task.get_name()!r} has ended")


def settle_gc() -> None:
    """Excludes the objects of a started service from garbage collection and makes collections rare.

    Otherwise collections show as pauses in the slowest requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _stop_with_parent(supervisor: int) -> None:
    """Has the kernel send SIGTERM to this process when its supervisor dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # it died before the call of prctl
        sys.exit(1)
