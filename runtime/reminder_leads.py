"""AISLE_REMINDERS: how long before a show its customers are reminded, such as `24h,2h`. Pure."""

from __future__ import annotations

import re

LONGEST_S = 60 * 86400
AT_MOST = 5
"""Reminders of one booking."""
_UNITS = {"d": 86400, "h": 3600, "m": 60}
_ONE = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)


def read_leads(text: str) -> tuple[int, ...]:
    """The times in seconds before the start, the longest first; none for `off`. Raises ValueError."""
    if text == "off":
        return ()
    leads_s = set()
    for part in text.split(","):
        found = _ONE.fullmatch(part.strip())
        lead_s = 0 if found is None else int(found[1]) * _UNITS[found[2]]
        if not 0 < lead_s <= LONGEST_S:
            raise ValueError("times before the start, up to 60d, are wanted, such as 24h,2h or 90m; or off")
        leads_s.add(lead_s)
    if len(leads_s) > AT_MOST:
        raise ValueError(f"at most {AT_MOST} times before the start are wanted")
    return tuple(sorted(leads_s, reverse=True))


def normal_leads(text: str) -> str:
    """The setting's normal form. Raises ValueError."""
    return ",".join(_written(lead_s) for lead_s in read_leads(text)) or "off"


def _written(lead_s: int) -> str:
    unit = "h" if lead_s % 3600 == 0 else "m"
    return f"{lead_s // _UNITS[unit]}{unit}"
