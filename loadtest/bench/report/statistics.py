"""Percentiles of one run, and medians with their spread over several runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Latencies(msgspec.Struct, frozen=True):
    """Latencies of a run in milliseconds. They are exact: no response is left out or put into a bucket."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Spread(msgspec.Struct, frozen=True):
    """Median, lowest and highest value of one figure over several runs."""

    median: float
    low: float
    high: float


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed. `ordered` ascends."""
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    if not 0 < percent <= 100:
        raise ValueError("a percentile is above 0 and at most 100")
    # In integers of a thousandth of a percent: 99.9 % of 1000 values is the 999th, without rounding errors.
    rank = -(-round(percent * 1000) * len(ordered) // 100_000)
    return ordered[rank - 1]


def latencies(seconds: Sequence[float]) -> Latencies | None:
    """Latencies of one run; None without responses."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    p50, p90, p99, p999 = (percentile(ordered, percent) * 1000 for percent in (50, 90, 99, 99.9))
    return Latencies(p50, p90, p99, p999, ordered[-1] * 1000)


def spread(values: Sequence[float]) -> Spread | None:
    """Median, lowest and highest of several runs; None without values."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))
