"""The life of a service: read the settings, run until told to stop, say clearly why it ended."""

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
from pathlib import Path
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
    """Something that is needed cannot be had. The message is one line, names it and says what would do."""


def run_service(name: str, main: Main) -> NoReturn:
    """Runs `main(settings, stop)` as this process and exits: 0 after a stop, 1 after a failure.

    SIGTERM or SIGINT sets `stop`, whereupon `main` drains and returns; a second one ends the process at
    once. An error that its operator can mend is one line in the log, any other has its traceback there.
    """
    try:
        settings = read_settings(os.environ)
    except SettingError as error:
        configure_logs(name, "info")
        _log.error(str(error))
        sys.exit(1)
    configure_logs(settings.process or name, settings.log_level)
    if settings.supervisor is not None:
        _stop_with(settings.supervisor)
    raise_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_told(main, settings))
    except Exception as error:
        if (reason := known_reason(error)) is None:
            _log.exception("stopped by an error that nobody expected")
        else:
            _log.error(reason)
        sys.exit(1)
    sys.exit(0)


async def _until_told(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    await main(settings, stop)
    if not stop.is_set():
        raise RuntimeError("the service came to an end without being told to")


def known_reason(error: BaseException) -> str | None:
    """The one line for an error that an operator can mend; None for one that nobody expected."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, (CannotStart, SettingError, WrongLog, LogUnavailable, DatabaseUnavailable)):
        return str(error)
    if isinstance(error, OSError) and error.errno in _ADDRESS_ERRORS:
        return str(error)
    return None


def lasting_name(settings: Settings) -> str | None:
    """A name that this process shares with those it was started for anew, and with nobody else.

    None where there is no supervisor to see to it that there is one of them at a time.
    """
    if settings.supervisor is None or settings.process is None:
        return None
    # When it started tells the supervisor from another with its number, as there may be in other containers.
    stat = Path(f"/proc/{settings.supervisor}/stat").read_text()
    whose = [socket.gethostname(), str(settings.supervisor), stat.rpartition(")")[2].split()[19]]
    return f"{settings.process}-{hashlib.sha256(' '.join(whose).encode()).hexdigest()[:16]}"


async def run_until(stop: asyncio.Event, *tasks: asyncio.Task[Any]) -> None:
    """Waits for `stop`. Raises as soon as one of the tasks ends before that: none of them may.

    The tasks themselves go on; ending them in good order is up to the caller.
    """
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if task.done() and not stop.is_set():
            raise RuntimeError(f"the task {task.get_name()!r} has ended")


def settle_gc() -> None:
    """To be called once a service has started: what lives now is not looked at again by the collector.

    Collections become rare; without this they stand out as pauses in the slowest requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _stop_with(supervisor: int) -> None:
    """Ties this process to its supervisor: when that one dies, whatever of, this one is told to stop."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # it died before we could ask for the signal
        sys.exit(1)
