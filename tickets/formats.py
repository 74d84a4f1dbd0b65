"""Localised formats of dates, times and prices, for tickets and e-mails."""

from __future__ import annotations

import re
import unicodedata
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from babel.numbers import NumberPattern

from schemas.currencies import minor_digits
from schemas.layout import Money

_ABBREVIATION = re.compile(r"[^\W\d_]{2,5}")
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """User-provided text as one line, without control characters and text-direction marks."""
    kept = (
        " " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c
        for c in text
        if c not in _DIRECTION_MARKS
    )
    return " ".join("".join(kept).split())


def money(value: Money, locale: str) -> str:
    """A price: `€12.50`, `JP¥1,250`. Minor units have as many digits as ISO 4217 says."""
    digits = minor_digits(value.currency)
    pattern = _money_pattern(locale, digits)
    amount = Decimal(value.amount).scaleb(-digits)
    written = pattern.apply(amount, locale, currency=value.currency.strip(), currency_digits=False)
    return str(written)


@lru_cache(maxsize=256)
def _money_pattern(locale: str, digits: int) -> NumberPattern:
    """The price format of a locale with `digits` decimal digits; Babel itself uses the digits of CLDR."""
    pattern: NumberPattern = copy(Locale.parse(locale).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern


def day(moment: datetime, locale: str) -> str:
    """The day in full: `Saturday, 21 November 2026`."""
    return format_date(moment, "full", locale=locale)


def hour(moment: datetime, locale: str) -> str:
    """The time of day: `19:30`."""
    return format_time(moment, "short", tzinfo=moment.tzinfo, locale=locale)


def zone(moment: datetime, locale: str) -> str:
    """The time zone as it is at this moment: `CET`, `CEST`, `UTC`, or `GMT-03:00` where there is no short name.

    Standard and daylight saving time differ, so that the hour that comes twice is told apart.
    """
    if getattr(moment.tzinfo, "key", "") == "UTC":
        return "UTC"
    offset = get_timezone_gmt(moment, locale=locale)
    name = get_timezone_name(moment, width="short", locale=locale)
    # CLDR has no name for most zones, and for Ireland in summer that of another zone.
    is_name = _ABBREVIATION.fullmatch(name) and (name != "GMT" or not moment.utcoffset())
    return name if is_name else offset


def comes_twice(moment: datetime) -> bool:
    """Whether this time of day comes twice on its day, since clocks are put back."""
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def clock(moment: datetime, locale: str) -> str:
    """The time of day with its zone: `19:30 CET`."""
    return f"{hour(moment, locale)} {zone(moment, locale)}"


def short_clock(moment: datetime, locale: str) -> str:
    """The time of day: `19:30`, with its zone only where the time comes twice."""
    return clock(moment, locale) if comes_twice(moment) else hour(moment, locale)


def short_day(moment: datetime, locale: str) -> str:
    """The day in short form: `21 Nov 2026`."""
    return format_date(moment, "medium", locale=locale)
