"""Rejections by rate limits: counted per limit, and logged at most once in ten seconds for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import structlog

LOG_EVERY_S = 10.0

_log = structlog.get_logger()


class Rejections:
    """Counts of rejected requests since the start, by rate limit. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.by_limit: Counter[str] = Counter()
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """Limit -> time of its last log line, and its count at that time."""

    def count(self, limit: str, key: Hashable) -> None:
        """Counts one rejection. A log line carries the number since the last one, and the latest key."""
        self.by_limit[limit] += 1
        now_s = self._clock()
        logged_s, count = self._logged.get(limit, (now_s - LOG_EVERY_S, 0))
        if now_s - logged_s >= LOG_EVERY_S:
            total = self.by_limit[limit]
            self._logged[limit] = now_s, total
            _log.info("rate_limited", limit=limit, rejected=total - count, key=str(key))
