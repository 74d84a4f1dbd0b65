"""WebSockets whose memory is bounded on both sides, and that end when their client does not help.

uvicorn's protocol waits for a client to read before it closes; one that never reads would be kept for ever.
Here whoever does not read is let go of, and a frame that was encoded once can be written to many sockets.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from gateway.server.connections import Connections

MAX_MESSAGE = 64 * 1024
"""Bytes of a client's message; a longer one closes the socket with 1009."""
MAX_UNSENT = 256 * 1024
"""Bytes that wait for a client to read them; with more it is dropped with 1013."""
PING_EVERY_S = 20.0
PONG_WITHIN_S = 20.0
CONNECTION = "aisle.connection"
"""Where an ASGI scope has its BoundedWebSocket."""

_MAX_FRAGMENTS = 1_024
_KERNEL_BUFFER = 128 * 1024
_CLOSE_S = 5.0
_SERVICE_RESTART = 1012
_TRY_AGAIN_LATER = 1013

# uvicorn tells of every socket, and of every client's fault with a traceback.
_quiet = logging.getLogger("gateway.live.sockets")
_quiet.setLevel(logging.CRITICAL)


def text_frame(text: bytes) -> bytes:
    """One whole text message as a server sends it, from its UTF-8."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 2**16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol with a way to write without waiting, and with an end to every wait."""

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = connections
        self.logger = _quiet
        self.close_timeout = _CLOSE_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Else the kernel takes megabytes for a client that reads nothing, and we would learn of it late.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope)[CONNECTION] = self

    def handle_cont(self, event: Any) -> None:
        if len(self.frames) >= _MAX_FRAGMENTS:
            self.conn.fail(1009, f"a message has at most {_MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self.abort_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.abort_soon()

    def shutdown(self) -> None:
        """Closes with 1012 and waits for the client's own close frame. A handshake is finished first."""
        if self.open and self.handshake_complete:
            self.end(_SERVICE_RESTART, "the gateway stops: connect again")

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self._all.draining and message["type"] == "websocket.accept":
            self.shutdown()

    @property
    def open(self) -> bool:
        """Whether a message can still be sent."""
        return self.conn.state is State.OPEN and not self.close_sent and not self.transport.is_closing()

    def push(self, frame: bytes) -> None:
        """Writes a frame without waiting. A client that left too much unread is dropped with 1013 instead."""
        if not self.open:
            return
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.end(_TRY_AGAIN_LATER, "too slow: connect again")
            return
        self.transport.write(frame)

    def end(self, code: int, reason: str) -> None:
        """Says goodbye. What the client does not take in good time is dropped with the connection."""
        if not self.open:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        # uvicorn leaves the connection open while there is this timer: the client's own goodbye may come.
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def abort_soon(self) -> None:
        """Ends the connection for good, also when its client never reads what was written."""
        self.loop.call_later(self.close_timeout, self.transport.abort)
