"""Simulated clocks and random numbers for the real code: virtual, seeded, and with clock offsets."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from tests.simulation.loop import current_part

if TYPE_CHECKING:
    from tests.simulation.instance import SimulatedInstance

START_MS = 1_800_000_000_000
"""Unix time at the start of every run."""


def clock_ms(instance: SimulatedInstance) -> int:
    """Unix time in ms by the clock of the current process, which may have an offset."""
    return START_MS + int(instance.loop.time() * 1000) + instance.skipped_ms + current_part().clock_offset_ms


@contextmanager
def simulated_clocks(instance: SimulatedInstance) -> Iterator[None]:
    """Replaces clocks and random numbers during a run, and silences the process log."""
    random = instance.random
    real = time.time, time.monotonic, secrets.token_hex, secrets.randbits
    kept = structlog.get_config()
    time.time = lambda: clock_ms(instance) / 1000
    time.monotonic = instance.loop.time
    secrets.token_hex = lambda nbytes=None: f"{random.getrandbits(8 * (nbytes or 32)):0{2 * (nbytes or 32)}x}"
    secrets.randbits = lambda k: random.getrandbits(k)
    structlog.configure(wrapper_class=_Silent, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        time.time, time.monotonic, secrets.token_hex, secrets.randbits = real
        structlog.configure(**kept)


class _Silent(structlog.BoundLoggerBase):
    def _ignore(self, event: str | None = None, **fields: object) -> None:
        pass

    debug = info = warning = error = exception = critical = _ignore
