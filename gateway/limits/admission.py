"""Admission control: bounds on commands in flight, and load shedding while more arrive than can be decided.

A command is in flight from its append to its decision, also after its client was answered 202. A rejected command
has certainly not been appended.

There are two kinds of bounds. Those of the settings are hard: in all, per show, per customer. Below them, load
shedding rejects new bookings and holds under sustained overload: no more are admitted than are decided within
TARGET_QUEUE_DELAY_S, by the measured throughput. A longer queue would only add latency until clients time out and
retry, and the service would spend its time on requests whose clients have given up. A rejection costs next to
nothing, so admitted requests stay fast. A burst is no overload; a queue that stays too long is.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.http.problems import EncodedProblem, Problem

TARGET_QUEUE_DELAY_S = 0.2
"""Queueing delay that load shedding aims for, in seconds."""
SAMPLE_INTERVAL_S = 0.1
"""Seconds between two samples of throughput and queue length."""
WINDOW_SAMPLES = 5
"""Samples over which throughput is averaged."""
OVERLOAD_SAMPLES = 3
"""Consecutive samples over the limit after which load shedding starts."""
RECOVERY_SAMPLES = 10
"""Consecutive samples below half of the limit after which load shedding ends."""
INITIAL_DECISIONS_PER_S = 8_000.0
"""Throughput that is assumed until one was measured under load."""
MIN_QUEUE_LIMIT = 256
"""Lower bound of the queue limit, in commands."""
MIN_COMMANDS_UNDER_LOAD = 64
"""With fewer commands in flight, the throughput says nothing about the capacity."""


def overloaded() -> Problem:
    """Returns the problem of a request that is rejected because of load."""
    return Problem("overloaded", "Rejected under load, not executed: try again in a moment.", retry_after_s=1)


def _show_overloaded() -> Problem:
    return Problem(
        "overloaded",
        "Too many requests for this show; rejected, not executed. Try again soon.",
        retry_after_s=1,
    )


_OVERLOADED, _SHOW_OVERLOADED = overloaded().encoded(), _show_overloaded().encoded()


class _Sample(NamedTuple):
    """Counts of one sampling interval."""

    decided: int
    in_flight: int
    seconds: float
    looked_up: int


class LoadShedder:
    """Derives the limit of the request queue from sampled throughput. Pure: `sample` is called every interval."""

    def __init__(self) -> None:
        self.queue_limit = math.inf
        """Commands that may be in flight; infinite while no load is shed."""
        self._decisions_per_s = INITIAL_DECISIONS_PER_S
        self._window: deque[_Sample] = deque(maxlen=WINDOW_SAMPLES)
        self._samples_over = 0
        self._samples_relieved = 0

    def sample(self, decided: int, in_flight: int, seconds: float, looked_up: int) -> None:
        """Adds one sample: commands decided in the last `seconds`, and commands in flight now.

        `looked_up` counts the decisions that had to be read from the database because no reply arrived.
        """
        window, before = self._window, self._window[-1].decided if self._window else 0
        window.append(_Sample(decided, in_flight, seconds, looked_up))
        total = sum(one.decided for one in window)
        if len(window) == WINDOW_SAMPLES and min(one.in_flight for one in window) >= MIN_COMMANDS_UNDER_LOAD:
            self._decisions_per_s = total / sum(one.seconds for one in window)
        limit = max(float(MIN_QUEUE_LIMIT), self._decisions_per_s * TARGET_QUEUE_DELAY_S)
        self._samples_over = self._samples_over + 1 if in_flight >= limit else 0
        self._samples_relieved = self._samples_relieved + 1 if in_flight < limit / 2 else 0
        # No decisions at all: a writer is being replaced. Requests wait for it, up to the hard bounds.
        stalled = in_flight > 0 and not (decided or before)
        # Without Redis every decision takes longer than the target delay, however short the queue.
        without_replies = 2 * sum(one.looked_up for one in window) > total
        if stalled or without_replies or self._samples_relieved >= RECOVERY_SAMPLES:
            self.queue_limit = math.inf
        elif self._samples_over >= OVERLOAD_SAMPLES or self.queue_limit != math.inf:
            self.queue_limit = limit


class AdmissionControl:
    """Counts this gateway's commands in flight and rejects those over a bound."""

    def __init__(self, in_all: int, of_show: int, of_customer: int) -> None:
        self._in_all, self._of_show, self._of_customer = in_all, of_show, of_customer
        self._total = 0
        self._shows: defaultdict[int, int] = defaultdict(int)
        self._customers: defaultdict[int, int] = defaultdict(int)
        self.load_shedder = LoadShedder()
        self._decided = 0

    @property
    def total(self) -> int:
        """Commands that are not decided yet."""
        return self._total

    def overload_problem(self, show_id: int) -> EncodedProblem | None:
        """The response that sheds a new booking or hold; None where it may be admitted."""
        limit = self.load_shedder.queue_limit
        if self._total >= MIN_QUEUE_LIMIT:
            if self._total >= limit:
                return _OVERLOADED
            # One show gets at most half of the queue, so that it cannot starve the others.
            if self._shows.get(show_id, 0) >= limit / 2:
                return _SHOW_OVERLOADED
        return None

    def admit(self, show_id: int, user_id: int) -> None:
        """Counts one more command. Raises Problem: `overloaded`, or `rate_limited` past the customer's bound."""
        if self._total >= self._in_all:
            raise overloaded()
        if self._shows.get(show_id, 0) >= self._of_show:
            raise _show_overloaded()
        if self._customers.get(user_id, 0) >= self._of_customer:
            raise Problem(
                "rate_limited",
                f"You have {self._of_customer} undecided requests: wait for their decisions.",
                retry_after_s=1,
            )
        self._total += 1
        self._shows[show_id] += 1
        self._customers[user_id] += 1

    def release(self, show_id: int, user_id: int, *, decided: bool = True) -> None:
        """Counts one command less: it is decided, or was not appended to the log."""
        self._total -= 1
        self._decided += decided
        for counts, key in ((self._shows, show_id), (self._customers, user_id)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    async def watch_load(self, looked_up: Callable[[], int]) -> None:
        """Samples throughput for the load shedder, until cancelled. `looked_up` counts decisions without a reply."""
        sampled_s, looked_up_total = time.monotonic(), looked_up()
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            decided, self._decided = self._decided, 0
            sampled_before_s, sampled_s = sampled_s, time.monotonic()
            looked_up_before, looked_up_total = looked_up_total, looked_up()
            self.load_shedder.sample(
                decided, self._total, sampled_s - sampled_before_s, looked_up_total - looked_up_before
            )
