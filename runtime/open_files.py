"""Open files, connections among them: how many the limit (`ulimit -n`) allows, and a warning when it is reached."""

from __future__ import annotations

import asyncio
import errno
import os
import resource

import structlog

NEEDED = 64
"""With fewer, PostgreSQL does not start."""

COMFORTABLE = 1_024
"""With fewer, a busy house reaches the limit."""

_LOOK_EVERY_S = 0.25
_REMIND_EVERY_S = 60.0
_REACHED = (errno.EMFILE, errno.ENFILE)

_log = structlog.get_logger()


def raise_limit() -> int:
    """Raises the limit of this process, and of what it starts, as far as it may; returns it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


class OpenFiles:
    """The open files of this process, as far as they leave room for connections of clients.

    At the limit the event loop closes new connections without a word, so somebody else has to look.
    """

    def __init__(self, limit: int, *, reserved: int) -> None:
        """`reserved`: files that the process opens later for itself, as for connections to its database."""
        self._limit = limit
        self._reserved = reserved
        self._reminded_at: float | None = None

    def log_allowed(self) -> None:
        """Logs how many connections of clients the limit allows; a warning if they are few."""
        allowed = max(self._limit - len(os.listdir("/proc/self/fd")) - self._reserved, 0)
        log = _log.warning if self._limit < COMFORTABLE else _log.info
        log("connections_allowed", connections=allowed, open_files_limit=self._limit)

    async def watch(self) -> None:
        """Logs when the limit is reached, and once a minute for as long as it is. Does not return."""
        while True:
            self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self, now: float) -> None:
        """Tries whether one more file can be opened; `now` in seconds says when to remind of it again."""
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
