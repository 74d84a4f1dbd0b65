"""The schedule of `aisle prune` in `aisle up`: some minutes after the start, and then daily."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

import structlog

_FIRST_AFTER_S = 300.0
_EVERY_S = 24 * 3600.0
_PRIORITY = 19

_log = structlog.get_logger()


async def prune_daily(environment: Mapping[str, str]) -> None:
    """Runs until cancelled, which ends the run that is under way: the next one continues."""
    pause_s = _FIRST_AFTER_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = _EVERY_S
        await prune_once(environment)


async def prune_once(environment: Mapping[str, str]) -> None:
    """Runs `aisle prune` as a process of the lowest CPU priority, and logs its outcome."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "prune"),
        env={**environment, "PYTHONSAFEPATH": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the supervisor
    )
    try:
        os.setpriority(os.PRIO_PROCESS, child.pid, _PRIORITY)
        output, errors = await child.communicate()
    except asyncio.CancelledError:
        if child.returncode is None:
            child.send_signal(signal.SIGINT)  # on which it undoes what it has begun
            await child.wait()
        raise
    if child.returncode == 0:
        _log.info("pruned", result=output.decode().strip().splitlines())
    else:
        last = errors.decode().strip().splitlines()[-1:]
        _log.warning(
            "prune_failed", error=last[0].removeprefix("aisle: ") if last else f"status {child.returncode}"
        )
