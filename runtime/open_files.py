"""Open files, including connections: the limit (`ulimit -n`), and a log line when it is reached."""

from __future__ import annotations

import asyncio
import errno
import os
import resource

import structlog

NEEDED = 64
"""Minimum limit: with less, PostgreSQL does not start."""

COMFORTABLE = 1_024
"""Recommended minimum: with less, a busy instance reaches the limit."""

_CHECK_EVERY_S = 0.25
_REMIND_EVERY_S = 60.0
_REACHED = (errno.EMFILE, errno.ENFILE)

_log = structlog.get_logger()


def raise_limit() -> int:
    """Raises the limit of this process and its children to the hard limit; returns it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class OpenFiles:
    """The number of client connections that the limit of open files allows.

    At the limit the event loop closes new connections without a log line, so the limit is checked here.
    """

    def __init__(self, limit: int, *, reserved: int) -> None:
        """`reserved`: files that the process opens later for itself, such as database connections."""
        self._limit = limit
        self._reserved = reserved
        self._reminded_at: float | None = None

    def log_allowed(self) -> None:
        """Logs the number of client connections that the limit allows; as a warning if it is low."""
        allowed = max(self._limit - len(os.listdir("/proc/self/fd")) - self._reserved, 0)
        log = _log.warning if self._limit < COMFORTABLE else _log.info
        log("connections_allowed", connections=allowed, open_files_limit=self._limit)

    async def watch(self) -> None:
        """Logs when the limit is reached, and once a minute while it is. Does not return."""
        while True:
            self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(_CHECK_EVERY_S)

    def look(self, now: float) -> None:
        """Tries to open one more file. `now`: current time in seconds, for the interval between log lines."""
        try:
            os.close(os.dup(2))
        except OSError as error:
            if error.errno not in _REACHED:
                raise
            if self._reminded_at is None or now - self._reminded_at >= _REMIND_EVERY_S:
                self._reminded_at = now
                _log.error(
                    "open_files_limit_reached",
                    open_files_limit=self._limit,
                    effect="new connections are closed at once",
                    remedy="raise `ulimit -n`, or run more gateways (AISLE_GATEWAYS)",
                )
