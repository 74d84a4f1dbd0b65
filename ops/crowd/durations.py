"""Durations as people write them: `90`, `60s`, `2m`, `1m30s`, `1h`. Pure."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_LONGEST_S = 24 * 3600


def read_duration(text: str) -> int:
    """Returns the seconds. Raises ValueError, with what is wanted, for anything else than 1 second to 24 hours."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is not None and any(found.groups()) and len(text) <= 20:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total_s = hours * 3600 + minutes * 60 + seconds
        if 1 <= total_s <= _LONGEST_S:
            return total_s
    raise ValueError(f"{text[:40]!r} is no duration from 1s to 24h, such as 60s, 2m or 1m30s")
