"""When a delivery is tried, and what the response to a try means. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

MINUTE, HOUR = 60, 3600

DELAYS_S = (0, 1, 5, 30, 2 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 44 * HOUR)
"""Pause before each try, in seconds after the try before it: ten tries in a little over three days."""

ORDERED_S = MINUTE
"""For how long after the first try of a delivery later ones of its show wait for it."""

LONGEST_RETRY_AFTER_S = 24 * HOUR
"""A longer Retry-After counts as this."""

_LONGEST_SLOWDOWN_S = 5 * MINUTE
_MAX_DOUBLINGS = 10


class Outcome(enum.Enum):
    """What follows from a response, or from its absence."""

    DELIVERED = "delivered"
    RETRY = "retry"
    SLOW_DOWN = "slow_down"
    """The receiver is overloaded: the whole webhook pauses."""
    GONE = "gone"
    """The receiver wants no more: the webhook is switched off."""


def outcome_of(status: int) -> Outcome:
    """What a response with this status means. Redirects are failures: a signed request goes to its address only."""
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 410:
        return Outcome.GONE
    return Outcome.SLOW_DOWN if status in (429, 503) else Outcome.RETRY


def next_delay_s(attempts: int) -> int | None:
    """Seconds to the next try after `attempts` failed ones; None when there is none."""
    return DELAYS_S[attempts] if attempts < len(DELAYS_S) else None


def slowdown_s(slowdowns: int, retry_after_s: int) -> int:
    """Pause of a webhook after this many slow-downs in a row: 2 s, doubled each time, and at least Retry-After."""
    own_s = min(1 << min(slowdowns, _MAX_DOUBLINGS), _LONGEST_SLOWDOWN_S)
    return max(own_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))


def read_retry_after(headers: Mapping[str, str], now: datetime) -> int:
    """Seconds of the header Retry-After, from 0 to LONGEST_RETRY_AFTER_S; 0 where it is missing or not valid."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return min(int(value), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0, min(int((at - now).total_seconds()) + 1, LONGEST_RETRY_AFTER_S))


class Try(msgspec.Struct, frozen=True):
    """The result of one request."""

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    retry_after_s: int = 0
