"""Parsing of days and instants in requests."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import msgspec

from gateway.http.bodies import invalid

_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_day(field: str, text: str) -> date:
    """Parses a day such as `2026-11-21`. Raises Problem `validation`."""
    try:
        if not _DAY.match(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise invalid((field, "must be a day such as 2026-11-21")) from None


def read_day_or_instant(field: str, text: str) -> tuple[date | None, datetime | None]:
    """Parses a day or an RFC 3339 instant with an offset; the other value is None. Raises Problem `validation`."""
    if _DAY.match(text):
        return read_day(field, text), None
    try:
        instant = msgspec.convert(text, datetime, strict=False)
    except msgspec.ValidationError:
        instant = None
    if instant is None or instant.tzinfo is None or not text[:1].isdigit() or "T" not in text.upper():
        raise invalid((field, "must be a day such as 2026-11-21, or a time such as 2026-11-21T09:30:00Z"))
    return None, in_range(field, instant)


def in_range(field: str, instant: datetime) -> datetime:
    """The instant in UTC, to the millisecond. Raises Problem `validation` for an unreasonable year."""
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = _LAST
    if not _FIRST <= instant < _LAST:
        raise invalid((field, f"must be a time from {_FIRST.year} to {_LAST.year - 1}"))
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def optional_in_range(field: str, instant: datetime | None) -> datetime | None:
    """`in_range` for an optional instant."""
    return None if instant is None else in_range(field, instant)


def to_ms(instant: datetime) -> int:
    """Unix milliseconds, without floating-point rounding."""
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
