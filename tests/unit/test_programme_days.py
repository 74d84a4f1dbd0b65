"""Days of the programme: around midnight, in the show's own time zone, when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from gateway.catalogue.shows import UpcomingShow
from gateway.site.days import DayRange, by_day, day_of, day_range, today_in

TODAY = date(2026, 11, 30)


def show(number: int, starts_at: str, timezone: str = "Europe/Berlin") -> UpcomingShow:
    starts_ms = int(datetime.fromisoformat(starts_at).timestamp() * 1000)
    return UpcomingShow(number, 1, "Hall", starts_ms, timezone, "on_sale", 5, 10, None)


def test_today_is_the_day_in_the_house() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert today_in("Europe/Berlin", late) == date(2026, 12, 1)
    assert today_in("America/New_York", late) == date(2026, 11, 30)


def test_a_show_is_on_the_day_that_it_is_where_it_is_shown() -> None:
    assert day_of(show(1, "2026-11-30T22:59:00Z")) == date(2026, 11, 30)
    assert day_of(show(1, "2026-11-30T23:00:00Z")) == date(2026, 12, 1)
    assert day_of(show(1, "2026-11-30T23:00:00Z", "Pacific/Kiritimati")) == date(2026, 12, 1)
    assert day_of(show(1, "2026-11-30T23:00:00Z", "Pacific/Honolulu")) == date(2026, 11, 30)


def test_days_of_23_and_25_hours_have_all_their_shows() -> None:
    long = [show(1, "2026-10-24T22:00:00Z"), show(2, "2026-10-25T00:30:00Z"), show(3, "2026-10-25T22:59:00Z")]
    assert by_day(long) == [(date(2026, 10, 25), long)]
    short = [show(1, "2027-03-27T23:00:00Z"), show(2, "2027-03-28T21:59:00Z")]
    after = show(3, "2027-03-28T22:00:00Z")
    assert by_day([*short, after]) == [(date(2027, 3, 28), short), (date(2027, 3, 29), [after])]


def test_shows_of_several_zones_share_their_days() -> None:
    honolulu = show(1, "2026-12-01T05:00:00Z", "Pacific/Honolulu")
    berlin = show(2, "2026-12-01T04:00:00Z")
    later = show(3, "2026-12-01T09:00:00Z", "Pacific/Honolulu")
    assert by_day([berlin, honolulu, later]) == [
        (date(2026, 11, 30), [honolulu, later]),
        (date(2026, 12, 1), [berlin]),
    ]


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("today", TODAY, TODAY),
        ("tomorrow", date(2026, 12, 1), date(2026, 12, 1)),
        ("week", TODAY, date(2026, 12, 6)),
        ("2027-02-28", date(2027, 2, 28), date(2027, 2, 28)),
    ],
)
def test_days_have_names(wanted: str, first: date, last: date) -> None:
    assert day_range(wanted, TODAY) == DayRange(first, last)
    found = day_range(wanted, TODAY)
    assert found is not None
    assert first in found
    assert last in found
    assert date(2027, 3, 1) not in found


@pytest.mark.parametrize(
    "wanted", ["", "2027-02-29", "2027-2-28", "20270228", "yesterday", "٢٠٢٧-٠١-٠١", "2027-01-01\n"]
)
def test_anything_else_is_no_day(wanted: str) -> None:
    assert day_range(wanted, TODAY) is None
