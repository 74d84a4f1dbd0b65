"""A load that does not wait: requests are due by a clock, whether or not those before are answered.

That is how people come. Each request's time counts from when it was due, also while all connections are busy
and it cannot even be sent: nothing is omitted because the service was slow. Calm, then the load, then calm again.
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
from loadtest.bench.generator.jobs import Due, Order, Overload, Tally
from loadtest.bench.generator.responses import Answer
from loadtest.bench.report.columns import TURNED_AWAY
from loadtest.bench.report.statistics import Latencies, latencies

TICK_S = 0.001
WINDOW_S = 0.25

_RETRY_AFTER = b"\r\nretry-after:"


class OpenLoop(ClosedLoop):
    """Sends what is due on whichever connection is idle; what finds none goes out as soon as one is."""

    def __init__(self, order: Order, due: Due) -> None:
        super().__init__(order)
        self._due = due
        self._idle: list[Connection] = []
        self._waiting: deque[float] = deque()
        self._most_waiting = 0
        self._caught_up = asyncio.Event()
        """Nothing is due any more, and nothing waits to be sent."""
        self._next = math.inf
        self._clock: Iterator[float] = iter(())
        self._load_from = self._load_until = 0.0
        self._good: tuple[array[float], array[float]] = array("d"), array("d")
        """When the requests that succeeded were due, and how long they took."""
        self._away: tuple[array[float], array[float]] = array("d"), array("d")
        self._no_retry_after = 0
        self._due_in_load = 0

    def _start(self, connections: list[Connection]) -> None:
        order, due = self.order, self._due
        self._idle += connections
        began = time.perf_counter()
        self._load_from = began + order.warm_up_s
        self._load_until = self._load_from + order.measured_s
        self._clock = chain(
            _ticks(began, self._load_from, due.calm_a_second),
            _ticks(self._load_from, self._load_until, due.a_second),
            _ticks(self._load_until, self._load_until + due.after_s, due.calm_a_second),
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
                self._waiting.append(self._next)
            self._next = next(self._clock, math.inf)
        self._most_waiting = max(self._most_waiting, len(self._waiting))
        if self._next < math.inf:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    async def _wind_down(self) -> None:
        """The calm afterwards, and whatever still waits to be sent."""
        await asyncio.sleep(self._load_until + self._due.after_s - time.perf_counter())
        if self._waiting:
            try:
                await asyncio.wait_for(self._caught_up.wait(), DRAIN_S)
            except TimeoutError:
                pass

    def ready(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)
            if self._next == math.inf:
                self._caught_up.set()

    def lost(self, connection: Connection, number: int) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        super().lost(connection, number)

    def answered(self, answer: Answer, took_s: float, now: float) -> None:
        status = answer.status
        self.ever[status] += 1
        if self.counting:
            self.statuses[status] += 1
        if status in self.order.expected:
            self._good[0].append(now - took_s)
            self._good[1].append(took_s)
            if self.counting:
                self.succeeded(now)
        elif status in TURNED_AWAY:
            self._away[0].append(now - took_s)
            self._away[1].append(took_s)
            self._no_retry_after += _RETRY_AFTER not in answer.raw.lower()
        elif status not in self.examples:
            self.examples[status] = answer.body[:EXAMPLE_BYTES].decode(errors="replace")

    def _tally(self, ended: float, cpu_s: float, overload: Overload | None = None) -> Tally:
        self.took_s = _between(self._good, self._load_from, self._load_until)
        self.outstanding += len(self._waiting)
        calm = latencies(_between(self._good, 0.0, self._load_from))
        overload = Overload(
            due=self._due_in_load,
            calm=calm,
            turned_away=latencies(_between(self._away, self._load_from, self._load_until)),
            no_retry_after=self._no_retry_after,
            most_waiting=self._most_waiting,
            normal_after_s=normal_after_s(
                calm,
                [(due - self._load_until, took) for due, took in zip(*self._good, strict=True)],
                [due - self._load_until for due in self._away[0]],
                self._due.after_s,
            ),
        )
        return super()._tally(ended, cpu_s, overload)


def _ticks(start: float, end: float, a_second: float) -> Iterator[float]:
    """Evenly from `start` to before `end`."""
    count = round((end - start) * a_second)
    return (start + number / a_second for number in range(count))


def _between(answers: tuple[Sequence[float], Sequence[float]], start: float, end: float) -> list[float]:
    """How long those took that were due from `start` to before `end`."""
    return [took for due, took in zip(*answers, strict=True) if start <= due < end]


def normal_after_s(
    calm: Latencies | None,
    succeeded: Iterable[tuple[float, float]],
    turned_away: Iterable[float],
    after_s: float,
) -> float | None:
    """When things were normal again, in seconds after the load's end: the start of the first quarter of a second of
    which nobody was turned away and the p99 was at most twice the calm one. None: not within `after_s`.

    `succeeded`: when each was due, counted from the load's end, and how long it took in seconds.
    """
    count = int(after_s / WINDOW_S)
    took: list[list[float]] = [[] for _ in range(count)]
    for due, seconds in succeeded:
        if 0 <= due < count * WINDOW_S:
            took[int(due / WINDOW_S)].append(seconds)
    unlucky = {int(due / WINDOW_S) for due in turned_away if due >= 0}
    for number, window in enumerate(took):
        found = latencies(window)
        if calm and found and number not in unlucky and found.p99 <= 2 * calm.p99:
            return number * WINDOW_S
    return None
