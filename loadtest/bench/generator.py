"""The load generator, a process of its own: `python -m loadtest.bench.generator` with an order on stdin.

It is meant to be cheap, since it shares the machine with what it measures, and honest: the clock runs from
just before a request is written until its answer is whole, every answer is counted, none is left out.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from typing import cast

import uvloop

from loadtest.bench.answers import Answer, AnswerReader, NotAnAnswer
from loadtest.bench.orders import Begun, Ended, Failed, Line, Order, Tally, decode_order, encode
from loadtest.bench.processes import end_with_parent
from loadtest.bench.requests import source_of
from loadtest.bench.statistics import latencies

CONNECT_TIMEOUT_S = 10.0
DRAIN_S = 15.0
RECONNECT_S = 0.05
EXAMPLE_BYTES = 1000


class ClosedLoop:
    """Connections of which each has one request outstanding, from `run` until the order's time is over."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.take = source_of(order.asks, f"{order.host}:{order.port}", order.tokens)
        self.counting = False
        self.stopping = False
        self.outstanding = 0
        self.took_s: list[float] = []
        self.done_at: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.ever: Counter[int] = Counter()
        self.examples: dict[int, str] = {}
        self.broken = 0
        self.ran_out = False
        self.open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._closed = asyncio.Event()

    async def run(self, say: asyncio.Queue[Line]) -> Tally:
        """Makes the run. Raises OSError or TimeoutError when no connection can be had."""
        try:
            return await self._run(say)
        finally:
            self.stopping = True
            for task in self._tasks:
                task.cancel()
            for connection in tuple(self.open):
                connection.abort()
            if self.open:
                await self._closed.wait()

    async def _run(self, say: asyncio.Queue[Line]) -> Tally:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connections = [await self._connect(number) for number in range(self.order.connections)]
        for connection in connections:
            connection.ask()
        await asyncio.sleep(self.order.warm_up_s)
        self.counting = True
        say.put_nowait(Begun())
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.sleep(self.order.measured_s)
        ended, cpu_ended = time.perf_counter(), time.process_time()
        self.counting = False
        say.put_nowait(Ended())
        self.stopping = True
        if self.outstanding:
            try:
                await asyncio.wait_for(self._quiet.wait(), DRAIN_S)
            except TimeoutError:
                pass
        return self._tally(began, ended, cpu_ended - cpu_began)

    def answered(self, answer: Answer, took_s: float, now: float) -> None:
        status = answer.status
        self.ever[status] += 1
        if self.counting:
            self.statuses[status] += 1
            if status in self.order.expected:
                self.took_s.append(took_s)
                self.done_at.append(now)
        if status not in self.order.expected and status not in self.examples:
            self.examples[status] = answer.body[:EXAMPLE_BYTES].decode(errors="replace")

    def settled(self) -> None:
        self.outstanding -= 1
        if self.stopping and not self.outstanding:
            self._quiet.set()

    def lost(self, connection: Connection, number: int) -> None:
        """A connection went; unless all is over, another takes its place."""
        self.open.discard(connection)
        if self.stopping and not self.open:
            self._closed.set()
        if not self.stopping:
            task = asyncio.get_running_loop().create_task(self._reconnect(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reconnect(self, number: int) -> None:
        while not self.stopping:
            await asyncio.sleep(RECONNECT_S)
            try:
                connection = await self._connect(number)
            except OSError:
                continue
            connection.ask()
            return

    async def _connect(self, number: int) -> Connection:
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self, number), self.order.host, self.order.port
        )
        return protocol

    def _tally(self, began: float, ended: float, cpu_s: float) -> Tally:
        whole_seconds = max(1, round(ended - began))
        each_second = [0] * whole_seconds
        for at in self.done_at:
            each_second[min(int(at - began), whole_seconds - 1)] += 1
        return Tally(
            seconds=ended - began,
            statuses=dict(self.statuses),
            latencies=latencies(self.took_s),
            each_second=tuple(each_second),
            cpu_s=cpu_s,
            ever=dict(self.ever),
            examples=self.examples,
            broken=self.broken,
            unanswered=self.outstanding,
            ran_out=self.ran_out,
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request, its answer, the next request."""

    __slots__ = ("_asked_at", "_last", "_loop", "_number", "_outstanding", "_reader", "_transport")

    def __init__(self, loop: ClosedLoop, number: int) -> None:
        self._loop = loop
        self._number = number
        self._reader = AnswerReader()
        self._outstanding = False
        self._asked_at = 0.0
        self._last: Answer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop.open.add(self)

    def abort(self) -> None:
        self._transport.abort()

    def ask(self) -> None:
        request = None if self._loop.stopping else self._loop.take(self._number, self._last)
        if request is None:
            self._loop.ran_out |= not self._loop.stopping
            return
        self._outstanding = True
        self._loop.outstanding += 1
        self._asked_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._reader.feed(data)
        except NotAnAnswer as error:
            self._loop.examples.setdefault(0, str(error))
            self._transport.abort()
            return
        if answer is None:
            return
        if not self._outstanding:
            self._loop.examples.setdefault(0, f"not asked for: {answer.raw[:EXAMPLE_BYTES]!r}")
            self._transport.abort()
            return
        now = time.perf_counter()
        self._outstanding = False
        self._last = answer
        self._loop.answered(answer, now - self._asked_at, now)
        self._loop.settled()
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if self._outstanding:
            self._outstanding = False
            self._loop.broken += 1
            self._loop.settled()
        self._loop.lost(self, self._number)


async def generate(order: Order, say: asyncio.Queue[Line]) -> None:
    """Makes one run and says what happens in it, the tally last."""
    try:
        say.put_nowait(await ClosedLoop(order).run(say))
    except (OSError, TimeoutError) as error:
        say.put_nowait(Failed(f"{order.host}:{order.port}: {error or 'no connection in time'}"))


async def _main() -> None:
    order = decode_order(sys.stdin.buffer.read())
    say: asyncio.Queue[Line] = asyncio.Queue()
    run = asyncio.create_task(generate(order, say))
    while True:
        line = await say.get()
        sys.stdout.buffer.write(encode(line) + b"\n")
        sys.stdout.buffer.flush()
        if isinstance(line, Tally | Failed):
            break
    await run


if __name__ == "__main__":
    end_with_parent()
    # Nothing here makes cycles; a collection would only stop the clock of whoever is being measured.
    gc.disable()
    uvloop.run(_main())
