"""HTTP and WebSockets by uvicorn, on the supervisor's socket or one of our own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from gateway.bounded_http import BoundedHttp
from gateway.front import App
from runtime.process import CannotStart, run_until
from runtime.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_S = 75
DRAIN_S = 20


async def serve_app(
    app: App, listener: socket.socket, stop: asyncio.Event, tasks: Sequence[asyncio.Task[Any]]
) -> None:
    """Serves until `stop`, then takes no more connections and finishes what was begun, 20 s at most.

    Raises as soon as one of the tasks beside it ends.
    """
    server = _Server(
        uvicorn.Config(
            app,
            loop="none",
            http=BoundedHttp,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="serving")
    try:
        await run_until(stop, serving, *tasks)
    finally:
        server.should_exit = True
        await serving


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
    asked = f"AISLE_HOST={settings.host} AISLE_PORT={settings.port}"
    return CannotStart(f"{asked}: {error.strerror or error}; choose another")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
