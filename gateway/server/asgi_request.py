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

    def close_after_response(self) -> None:
        """Closes the connection once the client has what was written."""


class AsgiRequest(RequestResponseCycle):
    """One request and its response, by ASGI."""

    def __init__(self, connection: Ends, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._connection = connection
        self.transport = self  # type: ignore[assignment]

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]
        if not self.response_started and self._connection.is_final():
            self.keep_alive = False
        return super().send(message)

    # --- what uvicorn's cycle does with its transport ---

    def write(self, data: bytes) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        closing: bool = self._connection.transport.is_closing()
        return closing

    def close(self) -> None:
        if self.response_complete:
            self._connection.close_after_response()
        else:
            self._connection.transport.close()


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
