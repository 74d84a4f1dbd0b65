"""A request that goes by ASGI: uvicorn's cycle, on a connection that decides itself when and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from gateway.server.uvicorn_private import FlowControl, RequestResponseCycle


class Ends(Protocol):
    """A connection, as far as the end of a response is concerned."""

    transport: Any

    def is_final(self) -> bool:
        """Whether the response that begins now is the last one."""

    def end_of_response(self) -> None:
        """The response that is being written asks to close the connection after it."""


class AsgiRequest(RequestResponseCycle):
    """One request and its response, by ASGI."""

    def __init__(self, connection: Ends, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._is_final = connection.is_final

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]
        if not self.response_started and self._is_final():
            self.keep_alive = False
        return super().send(message)


class ResponseTransport:
    """What the requests of a connection have as their transport: closing it is up to the connection.

    There is one for each connection. Nothing here refers to a request, which would have to wait for the collector.
    """

    def __init__(self, connection: Ends) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.end_of_response


class HeldFlow(FlowControl):
    """Flow control of a connection that may also hold its input by itself, whatever the requests want."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self.held = False
        self._wanted = False
        """Whether a request wants the input paused."""

    def pause_reading(self) -> None:
        self._wanted = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._wanted = False
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
            if not self._wanted:
                super().resume_reading()
