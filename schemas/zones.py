"""Time zones that mean the same on every machine, and safe look-up of stored names."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache

_NOT_PORTABLE = frozenset({"localtime", "posixrules", "Factory"})
_OTHER_SETS = ("posix/", "right/")

ZONE_WANTED = "a time zone such as Europe/Berlin is wanted"
"""Error message for a refused name."""


@lru_cache(maxsize=1)
def portable_zones() -> frozenset[str]:
    """The names that Python knows, without those whose meaning depends on the machine."""
    return frozenset(
        name
        for name in zoneinfo.available_timezones()
        if name not in _NOT_PORTABLE and not name.startswith(_OTHER_SETS)
    )


def usable_zone(name: str, other: str) -> str:
    """A stored name; `other` if this machine does not know it.

    A stored name may be older than the check of names, or come from a machine with a larger time zone database.
    """
    return name if name in portable_zones() else other


def zone_of(name: str, other: str) -> zoneinfo.ZoneInfo:
    """The zone of a stored name; that of `other` if this machine does not know it."""
    return zoneinfo.ZoneInfo(usable_zone(name, other))
