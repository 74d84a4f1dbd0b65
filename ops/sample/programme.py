"""Programme of the sample movies: the same slots every day, with the movies in rotation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ops.sample.layouts import cinema, hall
from ops.sample.theatre import theatre
from schemas.layout import Layout

DAYS = 7
FEW = 20
"""Minimum number of future shows; with fewer, more are added."""

_NOTICE = timedelta(hours=1)
_LATE = time(20, 0)


class Slot(NamedTuple):
    """A screen and a daily time."""

    screen_name: str
    layout: Callable[[str], Layout]
    at: time


SLOTS = (
    Slot("Screen 1", cinema, time(14, 0)),
    Slot("Hall 3", hall, time(15, 30)),
    Slot("Screen 1", cinema, time(17, 15)),
    Slot("Hall 3", hall, time(18, 30)),
    Slot("Grand Theatre", theatre, time(19, 30)),
    Slot("Screen 1", cinema, time(20, 30)),
    Slot("Hall 3", hall, time(21, 15)),
)


class Planned(NamedTuple):
    """A show of the programme. `movie` is its index in the list of sample movies."""

    movie: int
    slot: Slot
    starts_at: datetime


def programme(movies: int, not_late: frozenset[int], timezone: str, now: datetime) -> Iterator[Planned]:
    """Yields the shows of the coming days, each at least an hour from now.

    Movies in `not_late` have no slots in the late evening. The programme of a day depends on the date only.
    """
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    for ahead in range(DAYS):
        day = today + timedelta(days=ahead)
        for number, slot in enumerate(SLOTS):
            starts_at = _instant(day, slot.at, zone)
            if starts_at >= now + _NOTICE:
                yield Planned(
                    _turn(day.toordinal() * len(SLOTS) + number, movies, not_late, slot), slot, starts_at
                )


def _turn(turn: int, movies: int, not_late: frozenset[int], slot: Slot) -> int:
    movie = turn * 5 % movies
    while slot.at >= _LATE and movie in not_late:
        movie = (movie + 1) % movies
    return movie


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
