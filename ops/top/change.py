"""The change between two scrapes: rates of counters, quantiles of histograms. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from ops.top.samples import Samples

Match = Mapping[str, str]


class Change:
    """What happened between the scrape `old` and the scrape `new`, `seconds` later, at Unix time `old_s`.

    A counter that is lower than before has started again. A process without any sample in `old` counts only if it was
    started since: otherwise it did not answer then, and its counts are of a longer time.
    """

    def __init__(self, old: Samples, new: Samples, old_s: float, seconds: float) -> None:
        self._old = old
        self._new = new
        self._seconds = seconds
        start = "process_start_time_seconds"
        before = {one.labels.get("process") for one in old.get(start, {}).values()}
        self._skipped = {
            one.labels.get("process")
            for one in new.get(start, {}).values()
            if one.labels.get("process") not in before and one.value < old_s
        }

    def values(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yields the labels and values of a gauge, of every process."""
        for one in self._new.get(name, {}).values():
            yield one.labels, one.value

    def total(self, name: str) -> float:
        """The sum of a gauge over all processes."""
        return sum(value for _, value in self.values(name))

    def rates(self, name: str, label: str) -> dict[str, float]:
        """Increases per second of a counter, by the values of a label."""
        found: dict[str, float] = defaultdict(float)
        for labels, increase in self._increases(name):
            found[labels.get(label, "")] += increase / self._seconds
        return dict(found)

    def rate(self, name: str, matches: Callable[[Match], bool] = lambda _: True) -> float:
        """The increase per second of a counter, over all series that match."""
        return sum(increase for labels, increase in self._increases(name) if matches(labels)) / self._seconds

    def gauge_rates(self, name: str, label: str) -> dict[str, float]:
        """Increases per second of a gauge that only grows, such as an offset, by a label, whichever process has it."""
        before: dict[str, float] = defaultdict(float)
        for one in self._old.get(name, {}).values():
            before[one.labels[label]] = max(before[one.labels[label]], one.value)
        found: dict[str, float] = defaultdict(float)
        for labels, value in self.values(name):
            if labels[label] in before:
                increase = (value - before[labels[label]]) / self._seconds
                found[labels[label]] = max(found[labels[label]], increase)
        return dict(found)

    def quantiles(self, name: str, *wanted: float) -> list[float | None]:
        """Quantiles of what a histogram observed; None where it observed nothing."""
        return self.quantiles_by(name, "", *wanted).get("", [None] * len(wanted))

    def quantiles_by(self, name: str, label: str, *wanted: float) -> dict[str, list[float | None]]:
        """Quantiles of what a histogram observed, by the values of a label."""
        buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        for labels, increase in self._increases(f"{name}_bucket"):
            buckets[labels.get(label, "")][float(labels["le"])] += increase
        return {
            value: [_quantile(sorted(cumulative.items()), one) for one in wanted]
            for value, cumulative in buckets.items()
        }

    def mean(self, name: str) -> float | None:
        """The mean of what a histogram observed; None where it observed nothing."""
        count = self.rate(f"{name}_count")
        return self.rate(f"{name}_sum") / count if count else None

    def _increases(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        old = self._old.get(name, {})
        for series, (labels, value) in self._new.get(name, {}).items():
            if labels.get("process") in self._skipped:
                continue
            before = old.get(series)
            yield labels, value if before is None or before.value > value else value - before.value


def _quantile(cumulative: list[tuple[float, float]], wanted: float) -> float | None:
    """Interpolates within the bucket, as PromQL's `histogram_quantile` does."""
    if not cumulative or cumulative[-1][1] <= 0:
        return None
    rank = wanted * cumulative[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in cumulative:
        if count >= rank:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        lower, below = bound, count
    return lower
