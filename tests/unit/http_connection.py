"""One HTTP connection of the gateway's server without a socket: a transport, a clock and an application for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.http.exchange import Exchange
from gateway.server.connections import Connections
from gateway.server.http_protocol import BoundedHttp
from gateway.server.response_writer import ResponseWriter
from tests.simulation.loop import Part, SimulatedLoop

HIGH_WATER = 64 * 1024
BODY = b'{"answer":"%b"}'


class Transport(asyncio.Transport):
    """Keeps what was written until the client reads it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("192.0.2.1", 5000), "sockname": ("192.0.2.2", 80)})
        self._loop = loop
        self.protocol: Any = None
        self.sent = b""
        self.read = 0
        """Bytes of `sent` that the client has read."""
        self.reads = True
        """Whether the client reads everything at once."""
        self.paused = self.closed = self.aborted = self.ended = False
        self._write_paused = False
        self._high_water = HIGH_WATER

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is None
        self._high_water = high

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        assert not self.ended, "written after the end"
        if self.closed:
            return
        self.sent += data
        self._flow()

    def _flow(self) -> None:
        if self.reads:
            self.read = len(self.sent)
        unsent = self.get_write_buffer_size()
        if unsent > self._high_water and not self._write_paused:
            self._write_paused = True
            self.protocol.pause_writing()
        elif unsent <= self._high_water // 4 and self._write_paused:
            self._write_paused = False
            self.protocol.resume_writing()
        if self.closed and not unsent:
            self._lose(None)

    def take(self, size: int) -> None:
        """The client reads some bytes."""
        self.read = min(len(self.sent), self.read + size)
        self._flow()

    def get_write_buffer_size(self) -> int:
        return len(self.sent) - self.read

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._flow()

    def abort(self) -> None:
        self.closed = self.aborted = True
        self._lose(ConnectionAbortedError())

    def _lose(self, error: Exception | None) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            self._loop.call_soon(protocol.connection_lost, error)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    @property
    def lost(self) -> bool:
        return self.protocol is None


class Application:
    """An application that answers every request after `wait_s` seconds, on the fast path if `fast`, else by ASGI."""

    def __init__(self, *, fast: bool, wait_s: float = 0.0, size: int = 10) -> None:
        self.fast = fast
        self.wait_s = wait_s
        self.body = BODY % (b"x" * size)
        self.asked: list[tuple[str, bytes]] = []
        """Method and body of each request that was answered."""
        self.headers: list[dict[bytes, bytes]] = []
        """Headers of each of these requests."""
        self.half = 0
        """Requests whose body did not come whole."""

    def find(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Any | None:
        return self if self.fast and method in (b"GET", b"POST", b"DELETE") else None

    def rejection(self, route: Any) -> None:
        return None

    def handle(self, route: Any, exchange: Exchange) -> None:
        self.asked.append((exchange.method, exchange._body))
        self.headers.append(dict(exchange.headers))
        if self.wait_s:
            asyncio.get_running_loop().call_later(self.wait_s, exchange.respond, 200, self.body)
        else:
            exchange.respond(200, self.body)

    def finished(self, route: Any, status: int, took_s: float) -> None:
        pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.half += 1
                return
            body += message["body"]
            more = message["more_body"]
        self.asked.append((scope["method"], body))
        self.headers.append(dict(scope["headers"]))
        if self.wait_s:
            await asyncio.sleep(self.wait_s)
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": self.body})


class Connection:
    """A connection that was just made. To be made in a running loop."""

    def __init__(self, application: Application, connections: Connections | None = None) -> None:
        config = uvicorn.Config(
            cast(Any, application), lifespan="off", log_config=None, ws="none", proxy_headers=False
        )
        config.load()
        self.loop = asyncio.get_running_loop()
        self.application = application
        self.connections = connections or Connections()
        self.protocol = BoundedHttp(
            application, ResponseWriter(), self.connections, config=config, server_state=ServerState(), app_state={},
            _loop=self.loop,
        )  # fmt: skip
        self.transport = Transport(self.loop)
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes) -> bool:
        """The client sends data. Returns False if the server does not read now, or has closed."""
        if self.transport.paused or self.transport.closed:
            return False
        self.protocol.data_received(data)
        return True

    def end(self) -> None:
        """The client sends no more."""
        if not self.transport.closed and not self.protocol.eof_received():
            self.transport.close()

    @property
    def waiting(self) -> int:
        """Number of pipelined requests that wait for an earlier one."""
        return len(self.protocol.pipeline)


def on_virtual_time(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a test on virtual time. Raises the errors of callbacks."""
    loop = SimulatedLoop(Random(1))
    errors: list[Any] = []
    loop.set_exception_handler(lambda _, context: errors.append(context.get("exception") or context))
    try:
        loop.run_until_complete(loop.spawn(Part("connection"), story()))
    finally:
        loop.close()
    assert not errors, errors


GET = b"GET /api/shows/1/seats HTTP/1.1\r\nHost: aisle\r\n\r\n"
POST = b"POST /api/shows/1/bookings HTTP/1.1\r\nHost: aisle\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /api/shows/1/bookings HTTP/1.1\r\nHost: aisle\r\nTransfer-Encoding: chunked\r\n\r\n"

Story = Callable[[Connection, Application], Awaitable[None]]

both_ways = pytest.mark.parametrize("fast", [True, False], ids=["fast", "asgi"])


def run(story: Story, *, fast: bool, wait_s: float = 0.0, size: int = 10) -> None:
    async def main() -> None:
        application = Application(fast=fast, wait_s=wait_s, size=size)
        await story(Connection(application), application)

    on_virtual_time(main)


def statuses(connection: Connection) -> list[int]:
    """The statuses of all responses. Bodies here have no line ends."""
    sent = connection.transport.sent.split(b"HTTP/1.1 ")[1:]
    return [int(response[:3]) for response in sent]
