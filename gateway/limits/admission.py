"""How many commands may be on their way at once: in all, for a show, of a customer.

A command counts until it is decided, also when its client was answered 202 long ago. What is refused here
has certainly not been taken.

There are two kinds of bounds. Those of the settings are hard. Below them, while more comes than can be done, no
more new wishes for seats are taken than are decided within TARGET_QUEUE_DELAY_S, as the gateway finds out by counting: what is
past that would only wait, be given up and asked for again, and the service would be busy with what nobody wants any
more. It is turned away at once, for next to nothing, so that what is taken is done as fast as ever. A crowd that
comes in one moment is no overload: only a queue that stays too long for a while is.
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
"""So long may what is taken wait for its decision, while more comes than can be done."""
SAMPLE_INTERVAL_S = 0.1
WINDOW_SAMPLES = 5
"""Measurements that count."""
OVERLOAD_SAMPLES = 3
"""So many measurements in a row have to find too many waiting before any are turned away."""
RECOVERY_SAMPLES = 10
"""So many in a row have to find the queue half empty before all are taken again."""
INITIAL_DECISIONS_PER_S = 8_000.0
"""Decisions a second, before any were counted under load."""
MIN_QUEUE_LIMIT = 256
"""So many may always wait."""
MIN_COMMANDS_UNDER_LOAD = 64
"""With fewer under way, what is decided says nothing about what could be."""


def full() -> Problem:
    """Too many wait."""
    return Problem("overloaded", "Not taken; try again in a moment.", retry_after_s=1)


def full_show() -> Problem:
    """Too many wait for the same show."""
    return Problem("overloaded", "Too many ask for this show; not taken. Try again soon.", retry_after_s=1)


_FULL, _FULL_SHOW = full().encoded(), full_show().encoded()


class _Counted(NamedTuple):
    """What happened since the measurement before."""

    decided: int
    under_way: int
    seconds: float
    looked_up: int


class LoadShedder:
    """How many commands may wait so that none waits for long. Pure: told every tenth of a second what happened."""

    def __init__(self) -> None:
        self.queue_limit = math.inf
        self._a_second = INITIAL_DECISIONS_PER_S
        self._counted: deque[_Counted] = deque(maxlen=WINDOW_SAMPLES)
        self._too_long = 0
        self._relieved = 0

    def sample(self, decided: int, under_way: int, seconds: float, looked_up: int = 0) -> None:
        """So many were decided in the seconds since the last measurement, and so many are under way now.

        `looked_up`: of how many the decision had to be looked up, since no reply came.
        """
        counted, before = self._counted, self._counted[-1].decided if self._counted else 0
        counted.append(_Counted(decided, under_way, seconds, looked_up))
        total = sum(one.decided for one in counted)
        if (
            len(counted) == WINDOW_SAMPLES
            and min(one.under_way for one in counted) >= MIN_COMMANDS_UNDER_LOAD
        ):
            self._a_second = total / sum(one.seconds for one in counted)
        bound = max(float(MIN_QUEUE_LIMIT), self._a_second * TARGET_QUEUE_DELAY_S)
        self._too_long = self._too_long + 1 if under_way >= bound else 0
        self._relieved = self._relieved + 1 if under_way < bound / 2 else 0
        # Where nothing is decided at all, a writer is being replaced: it is waited for, up to the hard bounds.
        stalled = under_way > 0 and not (decided or before)
        # Without Redis each decision takes longer than TARGET_QUEUE_DELAY_S, however few wait for one.
        without_replies = 2 * sum(one.looked_up for one in counted) > total
        if stalled or without_replies or self._relieved >= RECOVERY_SAMPLES:
            self.queue_limit = math.inf
        elif self._too_long >= OVERLOAD_SAMPLES or self.queue_limit != math.inf:
            self.queue_limit = bound


class AdmissionControl:
    """Counts of commands between append and decision, of this gateway."""

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
        """The refusal of a new wish for seats; None where there is room for one."""
        bound = self.load_shedder.queue_limit
        if self._total >= MIN_QUEUE_LIMIT:
            if self._total >= bound:
                return _FULL
            # One show may have half of the room: the others are not to wait for it.
            if self._shows.get(show_id, 0) >= bound / 2:
                return _FULL_SHOW
        return None

    def admit(self, show_id: int, user_id: int) -> None:
        """Counts one more. Raises Problem: `overloaded`, or `rate_limited` for one customer's own."""
        if self._total >= self._in_all:
            raise full()
        if self._shows.get(show_id, 0) >= self._of_show:
            raise full_show()
        if self._customers.get(user_id, 0) >= self._of_customer:
            raise Problem(
                "rate_limited",
                f"You have {self._of_customer} requests that are not decided yet; wait for their answers.",
                retry_after_s=1,
            )
        self._total += 1
        self._shows[show_id] += 1
        self._customers[user_id] += 1

    def release(self, show_id: int, user_id: int, *, decided: bool = True) -> None:
        """Counts one less, which is decided or did not get into the log."""
        self._total -= 1
        self._decided += decided
        for counts, key in ((self._shows, show_id), (self._customers, user_id)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    async def watch_load(self, looked_up: Callable[[], int]) -> None:
        """Finds out how many may wait, for ever. `looked_up` counts the decisions that no reply has brought."""
        looked, found = time.monotonic(), looked_up()
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            decided, self._decided = self._decided, 0
            looked_before, looked = looked, time.monotonic()
            found_before, found = found, looked_up()
            self.load_shedder.sample(decided, self._total, looked - looked_before, found - found_before)
