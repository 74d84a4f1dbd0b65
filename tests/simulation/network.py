"""The ways between the parts: late, in order on one line, and cut off before or after what was asked was done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from tests.simulation.faults import NetworkFaults
from tests.simulation.loop import WORLD, SimulatedLoop, current_part

T = TypeVar("T")


class Line:
    """What is sent over one line arrives in the order in which it was sent."""

    def __init__(self) -> None:
        self.last_s = 0.0


class Network:
    """Carries questions to the servers and answers back. A part that was killed reaches nobody any more."""

    def __init__(self, loop: SimulatedLoop, random: Random, faults: NetworkFaults) -> None:
        self._loop = loop
        self._random = random
        self.faults = faults
        self.unawaited = False
        """Whether nobody waits any more for the answer to what is being done right now."""

    def happens(self, chance: float) -> bool:
        """Whether a fault of this chance strikes now."""
        return chance > 0 and self._random.random() < chance

    def delay_s(self) -> float:
        """How long a message takes."""
        draw = self._random.random
        if self.happens(self.faults.slow):
            return draw() if draw() < 0.9 else 8 * draw()
        return 0.0002 + 0.002 * draw() * draw()

    async def call(
        self,
        effect: Callable[[], T],
        *,
        line: Line | None = None,
        takes_s: float = 0.0,
        cut: Exception | None = None,
        cut_before: bool = False,
    ) -> T:
        """What `effect`, run over there, returns or raises; on average it takes `takes_s`.

        With `cut` given, the asker gets that instead: without the effect when `cut_before`, otherwise the
        effect comes before or after it, as it happens.
        """
        if current_part().dead:
            raise asyncio.CancelledError
        loop = self._loop
        arrives_s = loop.time() + self.delay_s() + 2 * takes_s * self._random.random()
        if line is not None:
            line.last_s = arrives_s = max(arrives_s, line.last_s)
        answer: asyncio.Future[T] = loop.create_future()
        if cut is not None:
            if not cut_before:
                loop.call_at(arrives_s, self._arrive_unawaited, effect, context=WORLD.context)
            loop.call_later(self.delay_s(), _fail, answer, cut, context=WORLD.context)
        else:
            loop.call_at(arrives_s, self._arrive, effect, answer, context=WORLD.context)
        return await answer

    def _arrive(self, effect: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        self.unawaited = answer.done()
        try:
            result = effect()
        except Exception as error:
            self._loop.call_later(self.delay_s(), _fail, answer, error, context=WORLD.context)
        else:
            self._loop.call_later(self.delay_s(), _give, answer, result, context=WORLD.context)

    def _arrive_unawaited(self, effect: Callable[[], Any]) -> None:
        self.unawaited = True
        try:
            effect()
        except Exception:  # nobody is there to hear of it
            pass


def _give(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
