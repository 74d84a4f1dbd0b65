"""Time zones that shows can have: those that both Python and the database know."""

from __future__ import annotations

from typing import Any

from runtime.polling import poll
from runtime.settings import SettingError
from schemas.zones import ZONE_WANTED, portable_zones, usable_zone

_REFRESH_EVERY_S = 600.0

_ZONES_SQL = "SELECT array_agg(name ORDER BY name) FROM pg_timezone_names"


class Zones:
    """The zones that can be used, and the venue's own, which stands in for a stored one that cannot."""

    def __init__(self, pool: Any, house: str) -> None:
        self._pool = pool
        self.house = house
        self.known: list[str] = []
        """Names that are safe in `AT TIME ZONE`; as `local_day` takes them."""
        self._known: frozenset[str] = frozenset()

    def errors(self, name: str) -> list[tuple[str, str]]:
        """What is wrong with a new show's zone, as (field, message)."""
        return [] if name in self._known else [("timezone", ZONE_WANTED)]

    def shown(self, name: str) -> str:
        """The name that clients get for a stored one: a zone that they can use."""
        return usable_zone(name, self.house)

    async def refresh(self) -> None:
        """Reads which zones the database has. It opens some hundred files for that, so this is done rarely."""
        known = portable_zones() & frozenset(await self._pool.fetchval(_ZONES_SQL) or ())
        if known != self._known:
            self._known, self.known = known, sorted(known)

    async def watch(self) -> None:
        """Refreshes for ever: an update of the database server's files can take names away."""
        await poll("time zones", self.refresh, every_s=_REFRESH_EVERY_S)


async def read_zones(pool: Any, house: str) -> Zones:
    """The zones that can be used. Raises SettingError where the venue's own is none of them."""
    zones = Zones(pool, house)
    await zones.refresh()
    if zones.errors(house):
        raise SettingError(
            f"AISLE_TIMEZONE={house!r}: the database server does not have this time zone; its view "
            "pg_timezone_names lists those that it has, such as Europe/Berlin"
        )
    return zones


def local_day(instant: str, zone: str, known: str, house: str) -> str:
    """SQL for the day of an instant in a stored zone, or in the venue's where the database lacks that zone.

    `AT TIME ZONE` over a single name that the server does not know fails the whole statement.
    """
    return f"({instant} AT TIME ZONE CASE WHEN {zone} = ANY({known}::text[]) THEN {zone} ELSE {house}::text END)::date"
