"""Spans of a seat worker: the commit of a batch and its publication, in the trace of each sampled request.

A batch has the commands of many requests. Each of them that is traced gets a span of the batch in its own trace,
linked to the requests that were committed with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.log import Appender
from runtime.tracing import Span, Tracing, traceparent
from schemas.trace_context import trace_of, with_trace
from seat_workers.batch import Batch
from seat_workers.fold import DecidedRecord
from seat_workers.metrics import MeasuredLedger
from seat_workers.publisher import Publisher, Redis

_MAX_LINKS = 32
_MOST_UNPUBLISHED = 10_000

Traces = dict[tuple[int, int], str]
"""Partition and offset of a record → the context in which its next span starts."""


def _traces_of(decided: Iterable[DecidedRecord]) -> Traces:
    return {
        (one.position.partition, one.position.offset): trace
        for one in decided
        if (trace := trace_of(one.body)) is not None
    }


class TracedLedger(MeasuredLedger):
    """A ledger that makes a span of each commit of a traced command."""

    def __init__(self, tracing: Tracing, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tracing = tracing
        self.committed: Traces = {}
        """Contexts of the commits that are not published yet."""

    async def commit(self, batch: Batch) -> None:
        traces = _traces_of(batch.decided)
        if not traces:
            await super().commit(batch)
            return
        spans = self._start(batch, traces)
        try:
            await super().commit(batch)
        except BaseException as error:
            for span in spans.values():
                self._tracing.fail(span, type(error).__name__)
            raise
        else:
            if len(self.committed) > _MOST_UNPUBLISHED:  # partitions were lost before they were published
                self.committed.clear()
            self.committed |= {position: traceparent(span) for position, span in spans.items()}
        finally:
            for span in spans.values():
                span.end()

    def _start(self, batch: Batch, traces: Traces) -> dict[tuple[int, int], Span]:
        now_ms = time.time() * 1000
        at_ms = {(one.position.partition, one.position.offset): one.at_ms for one in batch.decided}
        requests = list(traces.values())[: _MAX_LINKS + 1]
        return {
            position: self._tracing.start(
                "commit batch",
                "CONSUMER",
                trace,
                {
                    "aisle.position": f"{position[0]}-{position[1]}",
                    "aisle.batch_commands": len(batch.decided),
                    "aisle.log_wait_ms": max(0.0, now_ms - at_ms[position]),
                },
                [one for one in requests if one != trace],
            )
            for position, trace in traces.items()
        }


class TracedPublisher(Publisher):
    """A publisher that makes a span of each publication of a traced command, and gives its events the context."""

    def __init__(self, tracing: Tracing, ledger: TracedLedger, redis_client: Redis, events: Appender) -> None:
        super().__init__(redis_client, events)
        self._tracing = tracing
        self._ledger = ledger
        self._spans: dict[tuple[int, int], Span] = {}

    async def publish(self, decided: list[DecidedRecord], versions_before: Mapping[int, int]) -> None:
        traces = _traces_of(decided)
        self._spans = {
            position: self._tracing.start(
                "publish",
                "PRODUCER",
                self._ledger.committed.pop(position, trace),
                {"aisle.position": f"{position[0]}-{position[1]}"},
            )
            for position, trace in traces.items()
        }
        try:
            await super().publish(decided, versions_before)
        finally:
            for span in self._spans.values():
                span.end()
            self._spans = {}

    def events_of(self, decided: Iterable[DecidedRecord]) -> list[tuple[int, bytes]]:
        if not self._spans:
            return super().events_of(decided)
        records = []
        for one in decided:
            span = self._spans.get((one.position.partition, one.position.offset))
            for partition, body in super().events_of([one]):
                records.append((partition, body if span is None else with_trace(body, traceparent(span))))
        return records
