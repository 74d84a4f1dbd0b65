"""An asyncio event loop with virtual time, on which several processes run in seeded random order.

Each part of the system is a simulated process. Its callbacks run in the order in which they became ready, as asyncio
guarantees; the part that runs next is drawn. When nothing is ready, time jumps to the next timer. A part can be frozen,
as by SIGSTOP, and interrupted before any of its steps.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


class Part:
    """A simulated process, as the scheduler sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        """Its steps still run, so that its tasks unwind, but they have no effect on other parts."""
        self.frozen = False
        self.clock_offset_ms = 0
        self.steps = 0
        """The number of steps it has run."""
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.stop_at: int | None = None
        """The step before which `stop` is called."""
        self.stop: Callable[[], None] | None = None
        self.context: Context = copy_context()
        self.context.run(_PART.set, self)


_PART: ContextVar[Part] = ContextVar("part")

WORLD = Part("world")
"""The part of the network, the servers and the fault injector, which never ends."""


def current_part() -> Part:
    """The part whose step is running."""
    return _PART.get(WORLD)


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs parts in seeded order. It has no sockets, threads or signals."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._draw = random.random
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._sequence = 0
        self._runnable: list[Part] = []
        self.steps = 0
        self.step_limit = 400_000
        """Bound that only an endless loop exceeds."""

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, handle))
        return handle

    def create_task(  # type: ignore[override]
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        # A pending task at the end belongs to a killed process and needs no warning.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        part = _PART.get(WORLD) if context is None else context.get(_PART, WORLD)
        part.tasks.append(task)
        return task

    def spawn(self, part: Part, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Starts a task of this part."""
        return self.create_task(work, name=name or None, context=part.context.copy())

    def freeze(self, part: Part) -> None:
        """Suspends the part until `thaw`. Time passes for the others."""
        part.frozen = True
        if part.ready:
            self._runnable.remove(part)

    def thaw(self, part: Part) -> None:
        part.frozen = False
        if part.ready:
            self._runnable.append(part)

    def kill(self, part: Part) -> None:
        """Kills the part. Its tasks unwind without effect on other parts."""
        part.dead = True
        part.stop_at = None
        if part.frozen:
            self.thaw(part)
        for task in part.tasks:
            task.cancel()
        part.tasks.clear()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignores exceptions of futures whose caller is gone; raises those of callbacks."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            raise error

    def _make_ready(self, handle: asyncio.Handle) -> None:
        part: Part = handle._context.get(_PART, WORLD)  # type: ignore[attr-defined]
        ready = part.ready
        if not ready and not part.frozen:
            self._runnable.append(part)
        ready.append(handle)

    def _run_once(self) -> None:
        runnable, draw = self._runnable, self._draw
        while not self._stopping:  # type: ignore[attr-defined]
            if not runnable:
                self._jump()
                continue
            count = len(runnable)
            part = runnable[0 if count == 1 else int(draw() * count)]
            if part.stop_at == part.steps and part.stop is not None:
                part.stop_at = None
                part.stop()
                continue
            part.steps += 1
            handle = part.ready.popleft()
            if not part.ready:
                runnable.remove(part)
            if not handle._cancelled:
                handle._run()
            self.steps += 1
            if self.steps > self.step_limit:
                raise RuntimeError(f"not done after {self.step_limit} steps")

    def _jump(self) -> None:
        if not self._timers:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        when, _, handle = heapq.heappop(self._timers)
        if not handle._cancelled:
            self._now = max(self._now, when)
            self._make_ready(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Does nothing: a cancelled timer is skipped when it is due."""

    def _process_events(self, event_list: Any) -> None:
        """Does nothing: there are no sockets."""

    def close(self) -> None:
        super().close()
        self._timers.clear()
        self._runnable.clear()
