"""Time zones for shows: those that both Python and the database have."""

from __future__ import annotations

from typing import Any

from runtime.polling import poll
from runtime.settings import SettingError
from schemas.zones import ZONE_WANTED, portable_zones, usable_zone

_REFRESH_EVERY_S = 600.0

_ZONES_SQL = "SELECT array_agg(name ORDER BY name) FROM pg_timezone_names"


class Zones:
    """The usable time zones, and the venue's own, which replaces a stored zone that is not usable."""

    def __init__(self, pool: Any, default: str) -> None:
        self._pool = pool
        self.default = default
        self.known: list[str] = []
        """Names that are safe in `AT TIME ZONE`, as an argument for `local_day`."""
        self._known: frozenset[str] = frozenset()

    def errors(self, name: str) -> list[tuple[str, str]]:
        """The errors of a new show's zone, as (field, message)."""
        return [] if name in self._known else [("timezone", ZONE_WANTED)]

    def shown(self, name: str) -> str:
        """The zone that clients get for a stored one: always a usable zone."""
        return usable_zone(name, self.default)

    async def refresh(self) -> None:
        """Reads the zones of the database. The query opens several hundred files, so it runs rarely."""
        known = portable_zones() & frozenset(await self._pool.fetchval(_ZONES_SQL) or ())
        if known != self._known:
            self._known, self.known = known, sorted(known)

    async def watch(self) -> None:
        """Refreshes until it is cancelled: an update of the database server can remove zones."""
        await poll("time zones", self.refresh, every_s=_REFRESH_EVERY_S)


async def read_zones(pool: Any, default: str) -> Zones:
    """Reads the usable zones. Raises SettingError if the venue's own is not among them."""
    zones = Zones(pool, default)
    await zones.refresh()
    if zones.errors(default):
        raise SettingError(
            f"AISLE_TIMEZONE={default!r}: the database server does not have this time zone; its view "
            "pg_timezone_names lists those that it has, such as Europe/Berlin"
        )
    return zones


def local_day(instant: str, zone: str, known: str, default: str) -> str:
    """SQL for the day of an instant in a stored zone, or in the venue's if the database lacks that zone.

    A single unknown name in `AT TIME ZONE` fails the whole statement.
    """
    usable = f"CASE WHEN {zone} = ANY({known}::text[]) THEN {zone} ELSE {default}::text END"
    return f"({instant} AT TIME ZONE {usable})::date"
