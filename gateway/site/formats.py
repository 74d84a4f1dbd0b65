"""Prices, dates and times of pages, in the words of a language and in the show's time zone."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, format_time

from languages.words import locale_of
from schemas.layout import Money
from tickets.formats import money as money_in_locale

_STYLES = ("full", "long", "medium", "short")


def money(amount: Money, language: str) -> str:
    """A price: `€12.50`."""
    return money_in_locale(amount, locale_of(language))


@lru_cache(maxsize=5_000)
def date(moment: datetime | str, zone: str, language: str, style: str = "full") -> str:
    """A day: `Saturday 21 November 2026`.

    `style` is full, long, medium, short, or a skeleton of CLDR such as `MMMEd`.
    """
    local, locale = local_time(moment, zone), locale_of(language)
    if style in _STYLES:
        return format_date(local, style, locale=locale)
    return format_skeleton(style, local, tzinfo=local.tzinfo, locale=locale)


@lru_cache(maxsize=5_000)
def time(moment: datetime | str, zone: str, language: str) -> str:
    """A time of day: `19:30`."""
    local = local_time(moment, zone)
    return format_time(local, "short", tzinfo=local.tzinfo, locale=locale_of(language))


def date_time(moment: datetime | str, zone: str, language: str, style: str = "full") -> str:
    """Day and time: `Saturday 21 November 2026, 19:30`."""
    return f"{date(moment, zone, language, style)}, {time(moment, zone, language)}"


def local_time(moment: datetime | str, zone: str) -> datetime:
    """A moment, as a datetime or as the API writes it, in a time zone."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(_zone(zone))


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
