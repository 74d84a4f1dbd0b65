"""Open loop: requests are due by a clock, independent of responses, as arrivals of independent users are.

The latency of a request counts from when it was due, also while all connections are busy and it cannot be sent, so
a slow service hides nothing (no coordinated omission). Baseline rate, then the load, then the baseline rate again.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from loadtest.bench.generator.closed_loop import DRAIN_S, EXAMPLE_BYTES, ClosedLoop, Connection
from loadtest.bench.generator.jobs import Job, Overload, Schedule, Tally
from loadtest.bench.generator.responses import Response
from loadtest.bench.report.columns import REJECTED_STATUSES
from loadtest.bench.report.statistics import Latencies, latencies

TICK_S = 0.001
WINDOW_S = 0.25

_RETRY_AFTER = b"\r\nretry-after:"


class OpenLoop(ClosedLoop):
    """Sends due requests on idle connections; without one, a request is queued until a connection is free."""

    def __init__(self, job: Job, schedule: Schedule) -> None:
        super().__init__(job)
        self._schedule = schedule
        self._idle: list[Connection] = []
        self._queued: deque[float] = deque()
        self._max_queued = 0
        self._queue_empty = asyncio.Event()
        """No requests are due or queued any more."""
        self._next = math.inf
        self._clock: Iterator[float] = iter(())
        self._load_from = self._load_until = 0.0
        self._succeeded: tuple[array[float], array[float]] = array("d"), array("d")
        """Due time and latency of each successful request, in seconds."""
        self._rejected: tuple[array[float], array[float]] = array("d"), array("d")
        self._no_retry_after = 0
        self._due_in_load = 0

    def _start(self, connections: list[Connection]) -> None:
        job, schedule = self.job, self._schedule
        self._idle += connections
        began = time.perf_counter()
        self._load_from = began + job.warm_up_s
        self._load_until = self._load_from + job.measured_s
        self._clock = chain(
            _ticks(began, self._load_from, schedule.baseline_per_second),
            _ticks(self._load_from, self._load_until, schedule.per_second),
            _ticks(self._load_until, self._load_until + schedule.recovery_s, schedule.baseline_per_second),
        )
        self._next = next(self._clock, math.inf)
        self._tick()

    def _tick(self) -> None:
        now = time.perf_counter()
        while self._next <= now:
            self._due_in_load += self._load_from <= self._next < self._load_until
            if self._idle:
                self._idle.pop().send(self._next)
            else:
                self._queued.append(self._next)
            self._next = next(self._clock, math.inf)
        self._max_queued = max(self._max_queued, len(self._queued))
        if self._next < math.inf:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    async def _wind_down(self) -> None:
        """Runs the baseline after the load and sends the queued requests."""
        await asyncio.sleep(self._load_until + self._schedule.recovery_s - time.perf_counter())
        if self._queued:
            try:
                await asyncio.wait_for(self._queue_empty.wait(), DRAIN_S)
            except TimeoutError:
                pass

    def ready(self, connection: Connection) -> None:
        if self._queued:
            connection.send(self._queued.popleft())
        else:
            self._idle.append(connection)
            if self._next == math.inf:
                self._queue_empty.set()

    def lost(self, connection: Connection, number: int) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        super().lost(connection, number)

    def on_response(self, response: Response, took_s: float, now: float) -> None:
        status = response.status
        self.all_statuses[status] += 1
        if self.counting:
            self.statuses[status] += 1
        if status in self.job.expected:
            self._succeeded[0].append(now - took_s)
            self._succeeded[1].append(took_s)
            if self.counting:
                self.succeeded(now)
        elif status in REJECTED_STATUSES:
            self._rejected[0].append(now - took_s)
            self._rejected[1].append(took_s)
            self._no_retry_after += _RETRY_AFTER not in response.raw.lower()
        elif status not in self.examples:
            self.examples[status] = response.body[:EXAMPLE_BYTES].decode(errors="replace")

    def _tally(self, ended: float, cpu_s: float, overload: Overload | None = None) -> Tally:
        self.took_s = _between(self._succeeded, self._load_from, self._load_until)
        self.outstanding += len(self._queued)
        baseline = latencies(_between(self._succeeded, 0.0, self._load_from))
        overload = Overload(
            due=self._due_in_load,
            baseline=baseline,
            rejected=latencies(_between(self._rejected, self._load_from, self._load_until)),
            no_retry_after=self._no_retry_after,
            max_queued=self._max_queued,
            recovered_after_s=recovered_after_s(
                baseline,
                [(due - self._load_until, took) for due, took in zip(*self._succeeded, strict=True)],
                [due - self._load_until for due in self._rejected[0]],
                self._schedule.recovery_s,
            ),
        )
        return super()._tally(ended, cpu_s, overload)


def _ticks(start: float, end: float, per_second: float) -> Iterator[float]:
    """Evenly spaced times from `start` to before `end`."""
    count = round((end - start) * per_second)
    return (start + number / per_second for number in range(count))


def _between(responses: tuple[Sequence[float], Sequence[float]], start: float, end: float) -> list[float]:
    """Latencies of the requests due from `start` to before `end`."""
    return [took for due, took in zip(*responses, strict=True) if start <= due < end]


def recovered_after_s(
    baseline: Latencies | None,
    succeeded: Iterable[tuple[float, float]],
    rejected: Iterable[float],
    recovery_s: float,
) -> float | None:
    """Recovery in seconds after the end of the load: the start of the first window of a quarter of a second without
    rejections and with a p99 of at most twice the baseline's. None: not within `recovery_s`.

    `succeeded`: due time from the end of the load, and latency, in seconds. `rejected`: due times.
    """
    count = int(recovery_s / WINDOW_S)
    took: list[list[float]] = [[] for _ in range(count)]
    for due, seconds in succeeded:
        if 0 <= due < count * WINDOW_S:
            took[int(due / WINDOW_S)].append(seconds)
    unlucky = {int(due / WINDOW_S) for due in rejected if due >= 0}
    for number, window in enumerate(took):
        found = latencies(window)
        if baseline and found and number not in unlucky and found.p99 <= 2 * baseline.p99:
            return number * WINDOW_S
    return None
