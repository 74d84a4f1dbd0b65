"""Metrics in Prometheus' text format: plain numbers that are formatted when they are scraped.

Counting is an addition in the process's one thread, so it takes no lock. A scrape turns the numbers into metric
families; every sample has the label `process`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

__all__ = [
    "CONTENT_TYPE",
    "LATENCY_BUCKETS_S",
    "Histogram",
    "MetricsSource",
    "counter",
    "exposition",
    "gauge",
    "histogram",
    "joined",
]

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of histograms of what clients wait for."""

_SCRAPE_S = 2.0
"""Time limit of a scrape: families that are not ready by then are left out."""

_FAMILY = b"\n# HELP "

_process = ProcessCollector(registry=None)

Values = Mapping[tuple[str, ...], float]
"""Label values → number."""


class MetricsSource(Protocol):
    """A source of metric families."""

    def metrics(self) -> AsyncIterator[Metric]:
        """Yields the current families. Families that are slow or unavailable are left out."""
        ...


class Histogram:
    """A histogram. `bounds` are the inclusive upper bounds of its buckets."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Returns upper bounds and cumulative counts."""
        seen, cumulative = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            cumulative.append((bound, float(seen)))
        return cumulative


def counter(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    """Returns a counter; its samples are named `<name>_total`."""
    family = CounterMetricFamily(name, what, labels=labels)
    for key, value in list(values.items()):
        family.add_metric(key, value)
    return family


def gauge(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    """Returns a gauge."""
    family = GaugeMetricFamily(name, what, labels=labels)
    for key, value in list(values.items()):
        family.add_metric(key, value)
    return family


def histogram(
    name: str, what: str, labels: Sequence[str], values: Mapping[tuple[str, ...], Histogram]
) -> Metric:
    """Returns histograms, one for each combination of labels."""
    family = HistogramMetricFamily(name, what, labels=labels)
    for key, value in values.items():
        family.add_metric(key, buckets=value.buckets(), sum_value=value.total)
    return family


async def exposition(source: MetricsSource, process: str) -> bytes:
    """Returns the metrics of this process, including its memory, files and CPU time."""
    families: list[Metric] = list(_process.collect())
    try:
        async with asyncio.timeout(_SCRAPE_S):
            async for family in source.metrics():
                families.append(family)  # noqa: PERF401 - keeps the families that came in time
    except TimeoutError:
        pass
    for family in families:
        family.samples = [_of(process, sample) for sample in family.samples]
    return generate_latest(_Families(families))


def joined(texts: Iterable[bytes]) -> bytes:
    """Merges the expositions of several processes: each family once, with the samples of all."""
    families: dict[bytes, list[bytes]] = {}
    for text in texts:
        for block in (b"\n" + text.rstrip(b"\n")).split(_FAMILY)[1:]:
            # A family is a line with its help, one with its type, and its samples. It is not parsed further: the
            # supervisor merges about a thousand lines at each scrape.
            about, kind, *samples = block.split(b"\n", 2)
            name = about.split(b" ", 1)[0]
            families.setdefault(name, [b"# HELP " + about, kind]).extend(samples)
    return b"".join(line + b"\n" for line in chain.from_iterable(families.values()))


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _of(process: str, sample: Sample) -> Sample:
    return sample._replace(labels={"process": process, **sample.labels})
