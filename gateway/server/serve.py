"""HTTP and WebSockets by uvicorn, on the supervisor's socket or one of our own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn

from gateway.http.exchange import App
from gateway.server.connections import Connections
from gateway.server.fast_path import FastPath
from gateway.server.http_protocol import BoundedHttp
from gateway.server.response_writer import ResponseWriter
from gateway.server.websocket_protocol import MAX_MESSAGE, PING_EVERY_S, PONG_WITHIN_S, BoundedWebSocket
from runtime.process import CannotStart, run_until
from runtime.service_manager import READY, STOPPING, notify
from runtime.settings import Settings

BACKLOG = 2048
RECEIVE_BUFFER = 32 * 1024
"""Bytes that the kernel takes of a connection that is not read; about as many come with one read."""
MAX_SEGMENT = 1460
"""Bytes of a TCP segment, as on Ethernet. On loopback they have 64 KiB, more than the window of RECEIVE_BUFFER: the
kernel then acknowledges each request by itself, which costs up to a third of the throughput."""
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel takes for a client that does not read."""
DRAIN_S = 20
PENDING_TIMEOUT_S = 15
"""Time after the stop at which requests that are still pending get 202: not decided yet."""


async def serve_app(
    app: App,
    listener: socket.socket,
    stop: asyncio.Event,
    tasks: Sequence[asyncio.Task[Any]],
    time_out_pending: Callable[[], None],
    fast_path: FastPath,
    connections: Connections,
    headers: Sequence[tuple[str, str]] = (),
) -> None:
    """Serves until `stop`, then takes no more connections and finishes what was begun, 20 s at most.

    `headers` are added to every response. Raises as soon as one of `tasks` ends. `time_out_pending` answers requests
    that wait for a decision; it is called PENDING_TIMEOUT_S after the stop, or at once when a task has ended, because
    that may be the one that receives decisions.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MAX_SEGMENT)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    server = _Server(
        connections,
        uvicorn.Config(
            app,
            loop="none",
            http=partial(BoundedHttp, fast_path, ResponseWriter(), connections),  # type: ignore[arg-type]
            ws=partial(BoundedWebSocket, connections),  # type: ignore[arg-type]
            ws_max_size=MAX_MESSAGE,
            ws_ping_interval=PING_EVERY_S,
            ws_ping_timeout=PONG_WITHIN_S,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=list(headers),
            backlog=BACKLOG,
            timeout_graceful_shutdown=DRAIN_S,
        ),
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="serving")
    try:
        await run_until(stop, serving, *tasks)
    finally:
        timeout_s = PENDING_TIMEOUT_S if stop.is_set() else 0
        timer = asyncio.get_running_loop().call_later(timeout_s, time_out_pending)
        server.should_exit = True
        await serving
        timer.cancel()


def listener_for(settings: Settings) -> socket.socket:
    """The listening socket that the supervisor hands down, or a new one. Raises CannotStart."""
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise _cannot_listen(settings, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(settings, error) from None
    return listener


def _cannot_listen(settings: Settings, error: OSError) -> CannotStart:
    address = f"AISLE_HOST={settings.host} AISLE_PORT={settings.port}"
    return CannotStart(f"{address}: {error.strerror or error}; choose another")


class _Server(uvicorn.Server):
    """uvicorn with a drain that loses no request, and without signal handlers: the process has its own."""

    def __init__(self, connections: Connections, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            notify(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, answers what still arrives on those that there are, and closes them."""
        notify(STOPPING)
        self._connections.draining = True
        accepting = asyncio.create_task(self._accept_backlog([one.dup() for one in sockets or ()]))
        await super().shutdown(sockets)
        await accepting

    async def _accept_backlog(self, listeners: list[socket.socket]) -> None:
        """Accepts connections in the kernel's backlog: they would be reset if no other process listens on this socket.

        Runs once uvicorn has closed its own copy of each listener, so that nothing comes in behind it.
        """
        loop = asyncio.get_running_loop()
        for connection in list(_backlog(listeners)):
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _backlog(listeners: Sequence[socket.socket]) -> Iterator[socket.socket]:
    """Accepts the connections that are waiting. Closes the listeners."""
    for listener in listeners:
        with listener, contextlib.suppress(OSError):
            listener.setblocking(False)
            for _ in range(BACKLOG):
                yield listener.accept()[0]
