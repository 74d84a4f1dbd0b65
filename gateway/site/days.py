"""The days of the programme: today, tomorrow, this week, a date; each show's day is that of its own time zone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.catalogue.shows import UpcomingShow

NAMES = ("today", "tomorrow", "week")
WEEK_DAYS = 7
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


class DayRange(NamedTuple):
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


def today_in(zone: str, now: datetime) -> date:
    """The day that a moment is in a time zone."""
    return now.astimezone(_zone(zone)).date()


def day_of(show: UpcomingShow) -> date:
    """The day on which a show starts, where it is."""
    return _day(show.starts_ms, show.timezone)


def day_range(wanted: str, today: date) -> DayRange | None:
    """The days that `today`, `tomorrow`, `week` or a date such as 2026-11-21 names; None for anything else."""
    if wanted == "today":
        return DayRange(today, today)
    if wanted == "tomorrow":
        tomorrow = today + timedelta(days=1)
        return DayRange(tomorrow, tomorrow)
    if wanted == "week":
        return DayRange(today, today + timedelta(days=WEEK_DAYS - 1))
    if not _DAY.match(wanted):
        return None
    try:
        day = date.fromisoformat(wanted)
    except ValueError:
        return None
    return DayRange(day, day)


def is_one_day(wanted: str) -> bool:
    """Whether a name or date means a single day."""
    return wanted not in ("", "week")


def by_day(shows: Iterable[UpcomingShow]) -> list[tuple[date, list[UpcomingShow]]]:
    """Shows by their days. They come by their start, and shows of several time zones may share a day out of turn."""
    days = sorted(((day_of(show), show) for show in shows), key=lambda pair: pair[0])
    return [(day, [show for _, show in group]) for day, group in groupby(days, key=lambda pair: pair[0])]


@lru_cache(maxsize=10_000)
def _day(starts_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(starts_ms / 1000, UTC).astimezone(_zone(zone)).date()


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
