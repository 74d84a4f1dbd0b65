"""Refusals for a rate limit: counted by limit, and logged at most every ten seconds for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import structlog

LOG_EVERY_S = 10.0

_log = structlog.get_logger()


class Refusals:
    """What rate limits refused since the start. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.by_limit: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """Limit -> when it was logged last, and its count at that time."""

    def count(self, limit: str, key: Hashable) -> None:
        """Counts one refusal. The log line has the key of one of those that it stands for."""
        self.by_limit[limit] += 1
        now_s = self._clock()
        logged_s, count = self._logged.get(limit, (now_s - LOG_EVERY_S, 0))
        if now_s - logged_s >= LOG_EVERY_S:
            total = self.by_limit[limit]
            self._logged[limit] = now_s, total
            _log.info("rate_limited", limit=limit, refused=total - count, key=str(key))
