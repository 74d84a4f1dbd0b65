"""The simulated network: delays, ordered delivery on one line, and connections lost before or after an effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from tests.simulation.faults import NetworkFaults
from tests.simulation.loop import WORLD, SimulatedLoop, current_part

T = TypeVar("T")


class Line:
    """An ordered connection: messages arrive in the order in which they were sent."""

    def __init__(self) -> None:
        self.last_s = 0.0


class Network:
    """Carries calls to servers and their results back. Calls of a killed process are not delivered."""

    def __init__(self, loop: SimulatedLoop, random: Random, faults: NetworkFaults) -> None:
        self._loop = loop
        self._random = random
        self.faults = faults
        self.unawaited = False
        """Whether the caller of the effect that is running no longer waits for its result."""

    def happens(self, chance: float) -> bool:
        """Draws whether a fault of this probability happens now."""
        return chance > 0 and self._random.random() < chance

    def delay_s(self) -> float:
        """Draws the delay of a message."""
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
        """Runs `effect` on the server and returns or raises its result; on average it takes `takes_s`.

        With `cut`, the caller gets that error instead. With `cut_before`, the effect does not happen; otherwise it
        happens before or after the error.
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
        except Exception:  # the caller is gone
            pass


def _give(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
