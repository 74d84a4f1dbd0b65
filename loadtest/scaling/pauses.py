"""Pauses of partitions as clients see them: the longest wait for an answer while an operation ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from loadtest.bench.report.statistics import percentile
from loadtest.scaling.load import Answered


class Operation(NamedTuple):
    """Something that was done, from `began` to `ended` on the monotonic clock."""

    name: str
    began: float
    ended: float


class Pauses(NamedTuple):
    """Pauses of all partitions in all operations of one name, in milliseconds."""

    name: str
    operations: int
    pauses: int
    median: float
    p99: float
    longest: float


def longest_waits(answered: Iterable[Answered], operation: Operation) -> Mapping[int, float]:
    """Partition → the longest wait of a request that was outstanding during the operation, in seconds."""
    waits: dict[int, float] = {}
    for partition, sent, received in answered:
        if sent <= operation.ended and received >= operation.began:
            waits[partition] = max(waits.get(partition, 0.0), received - sent)
    return waits


def pauses(answered: Sequence[Answered], operations: Sequence[Operation]) -> list[Pauses]:
    """The pauses by the name of the operation, in the order of their first occurrence."""
    found: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for operation in operations:
        waits = longest_waits(answered, operation)
        found.setdefault(operation.name, []).extend(1000 * wait for wait in waits.values())
        counts[operation.name] = counts.get(operation.name, 0) + 1
    rows = []
    for name, every in found.items():
        ordered = sorted(every)
        if ordered:
            middle, high = percentile(ordered, 50), percentile(ordered, 99)
            rows.append(Pauses(name, counts[name], len(ordered), middle, high, ordered[-1]))
    return rows
