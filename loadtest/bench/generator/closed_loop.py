"""Closed loop: each connection sends its next request when it has received a response."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import cast

from loadtest.bench.generator.jobs import Finished, Job, Mark, Message, Overload, Started, Tally
from loadtest.bench.generator.requests import request_source
from loadtest.bench.generator.responses import InvalidResponse, Response, ResponseReader
from loadtest.bench.report.statistics import latencies

CONNECT_TIMEOUT_S = 20.0
DRAIN_S = 15.0
RECONNECT_S = 0.05
EXAMPLE_BYTES = 1000


class ClosedLoop:
    """Connections with one outstanding request each, until the time of the job is over."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.next_request = request_source(job.load, f"{job.host}:{job.port}", job.tokens)
        self.counting = False
        self.stopping = False
        self.outstanding = 0
        self.took_s: list[float] = []
        self.done_at: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.all_statuses: Counter[int] = Counter()
        self.examples: dict[int, str] = {}
        self.broken = 0
        self.ran_out = False
        self.open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._messages: asyncio.Queue[Message]
        self._began = 0.0
        self._over = asyncio.Event()
        """No requests are left, and none is outstanding."""
        self._quiet = asyncio.Event()
        self._closed = asyncio.Event()

    async def run(self, messages: asyncio.Queue[Message]) -> Tally:
        """Runs the job. Raises OSError or TimeoutError when it cannot connect."""
        try:
            return await self._run(messages)
        finally:
            self.stopping = True
            for task in self._tasks:
                task.cancel()
            for connection in tuple(self.open):
                connection.abort()
            if self.open:
                await self._closed.wait()

    async def _run(self, messages: asyncio.Queue[Message]) -> Tally:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connections = [await self._connect(number) for number in range(self.job.connections)]
        self._messages = messages
        self._start(connections)
        await self._wait(self.job.warm_up_s)
        messages.put_nowait(Started())
        self._began, cpu_began = time.perf_counter(), time.process_time()
        self.counting = True
        await self._wait(self.job.measured_s)
        self.counting = False
        ended, cpu_ended = time.perf_counter(), time.process_time()
        messages.put_nowait(Finished())
        await self._wind_down()
        self.stopping = True
        if self.outstanding:
            try:
                await asyncio.wait_for(self._quiet.wait(), DRAIN_S)
            except TimeoutError:
                pass
        return self._tally(ended, cpu_ended - cpu_began)

    def _start(self, connections: list[Connection]) -> None:
        for connection in connections:
            self.ready(connection)

    async def _wait(self, seconds: float) -> None:
        if seconds <= 0:
            return  # even a short wait would leave responses uncounted
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            pass

    async def _wind_down(self) -> None:
        """Sends requests that are still due after the measured time."""

    def ready(self, connection: Connection) -> None:
        """Sends the next request on a connection without an outstanding one."""
        if not self.stopping:
            connection.send(time.perf_counter())

    def on_response(self, response: Response, took_s: float, now: float) -> None:
        status = response.status
        self.all_statuses[status] += 1
        if self.counting:
            self.statuses[status] += 1
            if status in self.job.expected:
                self.took_s.append(took_s)
                self.succeeded(now)
        if status not in self.job.expected and status not in self.examples:
            self.examples[status] = response.body[:EXAMPLE_BYTES].decode(errors="replace")

    def succeeded(self, now: float) -> None:
        """Counts one expected response."""
        self.done_at.append(now)
        if self.job.mark_every and not len(self.done_at) % self.job.mark_every:
            self._messages.put_nowait(Mark(len(self.done_at), now - self._began))

    def exhausted(self) -> None:
        """Records that no requests are left."""
        self.ran_out = True
        if not self.outstanding:
            self._over.set()

    def settled(self) -> None:
        """Counts down the outstanding requests: one has its response, or never will."""
        self.outstanding -= 1
        if self.stopping and not self.outstanding:
            self._quiet.set()

    def lost(self, connection: Connection, number: int) -> None:
        """Replaces a lost connection, unless the run is over."""
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
            self.ready(connection)
            return

    async def _connect(self, number: int) -> Connection:
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self, number), self.job.host, self.job.port
        )
        return protocol

    def _tally(self, ended: float, cpu_s: float, overload: Overload | None = None) -> Tally:
        whole_seconds = max(1, round(ended - self._began))
        each_second = [0] * whole_seconds
        for at in self.done_at:
            each_second[min(int(at - self._began), whole_seconds - 1)] += 1
        return Tally(
            seconds=ended - self._began,
            statuses=dict(self.statuses),
            latencies=latencies(self.took_s),
            each_second=tuple(each_second),
            cpu_s=cpu_s,
            all_statuses=dict(self.all_statuses),
            examples=self.examples,
            broken=self.broken,
            unanswered=self.outstanding,
            ran_out=self.ran_out,
            overload=overload,
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    __slots__ = ("_last", "_loop", "_number", "_outstanding", "_reader", "_since", "_transport")

    def __init__(self, loop: ClosedLoop, number: int) -> None:
        self._loop = loop
        self._number = number
        self._reader = ResponseReader()
        self._outstanding = False
        self._since = 0.0
        self._last: Response | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop.open.add(self)

    def abort(self) -> None:
        self._transport.abort()

    def send(self, since: float) -> None:
        """Sends the next request, if any. Its latency counts from `since`."""
        request = self._loop.next_request(self._number, self._last)
        if request is None:
            self._loop.exhausted()
            return
        self._outstanding = True
        self._loop.outstanding += 1
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            response = self._reader.feed(data)
        except InvalidResponse as error:
            self._loop.examples.setdefault(0, str(error))
            self._transport.abort()
            return
        if response is None:
            return
        if not self._outstanding:
            self._loop.examples.setdefault(0, f"unexpected response: {response.raw[:EXAMPLE_BYTES]!r}")
            self._transport.abort()
            return
        now = time.perf_counter()
        self._outstanding = False
        self._last = response
        self._loop.on_response(response, now - self._since, now)
        self._loop.settled()
        self._loop.ready(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._outstanding:
            self._outstanding = False
            self._loop.broken += 1
            self._loop.settled()
        self._loop.lost(self, self._number)
