"""Polling: a coroutine that runs every few seconds, and the log of its outages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from runtime.postgres import DATABASE_ERRORS

_log = structlog.get_logger()


class OutageLog:
    """Logs one line when a task begins to fail and one when it recovers, however often it fails in between."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        """Records a failed run."""
        if not self._failures:
            _log.warning("polling_failed", task=self._task, error=str(error) or type(error).__name__)
        self._failures += 1

    def succeeded(self) -> None:
        """Records a successful run."""
        if self._failures:
            _log.info("polling_recovered", task=self._task, failures=self._failures)
            self._failures = 0


async def poll(
    task: str,
    run: Callable[[], Awaitable[object]],
    *,
    every_s: float,
    errors: tuple[type[BaseException], ...] = DATABASE_ERRORS,
) -> NoReturn:
    """Runs a coroutine for ever, with a pause of `every_s` before each run. Raises only what is not in `errors`."""
    outage = OutageLog(task)
    while True:
        await asyncio.sleep(every_s)
        try:
            await run()
        except errors as error:
            outage.failed(error)
        else:
            outage.succeeded()
