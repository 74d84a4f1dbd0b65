"""Retention periods as operators write them: `90d`, `72h`. Pure."""

from __future__ import annotations

import re

HOUR_S, DAY_S = 3600, 24 * 3600

SHORTEST_S = 48 * HOUR_S
"""A command id counts for 48 hours: a repeat within them gets the first decision, which has to be there."""

_LONGEST_S = 36_500 * DAY_S
_PERIOD = re.compile(r"([0-9]{1,7})([dh])")
_UNITS = {"d": DAY_S, "h": HOUR_S}


def read_retention(text: str) -> int:
    """Returns the seconds of a period in days or hours. Raises ValueError, with what is wanted."""
    found = _PERIOD.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("a number of days or hours with its unit is wanted, such as 90d or 72h")
    period_s = int(found[1]) * _UNITS[found[2]]
    if period_s < SHORTEST_S:
        raise ValueError("at least 48h is wanted: for 48 hours a repeated command gets its first answer")
    if period_s > _LONGEST_S:
        raise ValueError("at most 36500d is wanted")
    return period_s


def write_retention(period_s: int) -> str:
    """Returns the period as it is written in a setting."""
    return f"{period_s // DAY_S}d" if period_s % DAY_S == 0 else f"{period_s // HOUR_S}h"
