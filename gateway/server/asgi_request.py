"""A request that goes by ASGI: uvicorn's cycle, on a connection that decides itself when and how it closes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from gateway.server.uvicorn_private import FlowControl, RequestResponseCycle


class Connection(Protocol):
    """The connection of a request: decides whether to close after the response."""

    transport: Any

    def is_final(self) -> bool:
        """Whether the response that begins now is the last one."""

    def end_of_response(self) -> None:
        """The request closes its transport: after its response, or because of an error."""


class AsgiRequest(RequestResponseCycle):
    """One request and its response, by ASGI."""

    def __init__(self, connection: Connection, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._is_final = connection.is_final

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]
        if not self.response_started and self._is_final():
            self.keep_alive = False
        return super().send(message)


class ResponseTransport:
    """The transport that ASGI requests write to. `close` asks the connection to close.

    There is one for each connection. It refers to no request: a reference cycle would wait for the garbage collector.
    """

    def __init__(self, connection: Connection) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.end_of_response


class HeldFlow(FlowControl):
    """Flow control of a connection that can pause its input independently of its requests."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self.held = False
        self._request_paused = False
        """Whether a request wants the input paused."""

    def pause_reading(self) -> None:
        self._request_paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._request_paused = False
        if not self.held:
            super().resume_reading()

    def hold(self) -> None:
        """Pauses the input until `release`."""
        if not self.held:
            self.held = True
            super().pause_reading()

    def release(self) -> None:
        """Resumes the input, unless a request wants it paused."""
        if self.held:
            self.held = False
            if not self._request_paused:
                super().resume_reading()
