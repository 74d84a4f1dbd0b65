"""WebSockets with bounded buffers in both directions, which close even if the client does not cooperate.

uvicorn's protocol waits for a client to read before it closes; one that never reads would be kept for ever.
Here a client that does not read is disconnected, and a frame that was encoded once can be written to many sockets.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

from websockets.exceptions import HeaderLineTooLong, TooManyHeaders
from websockets.http11 import Request
from websockets.protocol import State

from gateway.http.problems import Problem
from gateway.server.connections import Connections, Lease
from gateway.server.response_writer import final_problem
from gateway.server.uvicorn_private import WebSocketsSansIOProtocol

MAX_MESSAGE = 64 * 1024
"""Bytes of a client's message; a longer one closes the socket with 1009."""
MAX_UNSENT = 256 * 1024
"""Bytes that wait for a client to read them; with more it is dropped with 1013."""
PING_EVERY_S = 20.0
PONG_WITHIN_S = 20.0
CONNECTION = "aisle.connection"
"""Key of an ASGI scope under which it has its BoundedWebSocket."""

_MAX_FRAGMENTS = 1_024
_PIECE = 2_048
"""Bytes that are parsed at once."""
_PIECES_AT_ONCE = 8
"""Pieces that are parsed before other connections have a turn."""
_MAX_AFTER_CLOSE = 64 * 1024
"""Bytes that are read after our close frame, up to the client's own."""
_MAX_CONTROL_FRAMES = 100
"""Pings, and pongs that answer nothing, within a minute: a client that sends more is dropped with 1008."""
_MINUTE_S = 60.0
_KERNEL_BUFFER = 128 * 1024
_CLOSE_S = 5.0
_POLICY = 1008
_SERVICE_RESTART = 1012
_TRY_AGAIN_LATER = 1013

# uvicorn logs every socket, and every fault of a client with a traceback.
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
    """uvicorn's protocol with writes that never wait, and with a timeout for every wait."""

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open_connections = connections
        self.lease: Lease | None = None
        """The count of this connection, taken over from its HTTP connection."""
        self._unread, self._read = b"", 0
        """Input that is not parsed completely, and how many bytes of it are parsed."""
        self._after_close = 0
        self._control_frames, self._minute_ends_s = 0, 0.0
        self.logger = _quiet
        self.close_timeout = _CLOSE_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # By default the kernel takes megabytes for a client that reads nothing, which would be noticed late.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lease is not None:
            self.lease.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.close_sent:
            self._after_close += len(data)
            if self._after_close > _MAX_AFTER_CLOSE:
                self.transport.abort()
        self._unread, self._read = self._unread[self._read :] + data, 0
        self._parse()

    def _parse(self) -> None:
        """Parses the input up to the next message, which has to be received before another one is parsed."""
        unread = self._unread
        for _ in range(_PIECES_AT_ONCE):
            if self._read == len(unread) or self.read_paused or self.transport.is_closing():
                break
            start, self._read = self._read, min(self._read + _PIECE, len(unread))
            super().data_received(unread[start : self._read])
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse_handshake(self.conn.handshake_exc)
        if self.transport.is_closing():
            self._unread, self._read = b"", 0
        elif self._read < len(unread):
            self.transport.pause_reading()
            if not self.read_paused:
                self.loop.call_soon(self._parse)
        elif not self.read_paused:
            self._unread, self._read = b"", 0
            self.transport.resume_reading()

    def _refuse_handshake(self, error: Exception) -> None:
        """Responds to a handshake that the parser rejects; uvicorn does not notice it."""
        self.handshake_initiated = self.close_sent = True
        if isinstance(error, HeaderLineTooLong | TooManyHeaders):
            problem = Problem("headers_too_large", f"The handshake of a WebSocket: {error}.")
        else:
            problem = Problem("validation", "This is not the handshake of a WebSocket: check its headers.")
        self.transport.write(final_problem(problem, self.default_headers))
        self.transport.close()
        self.abort_soon()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._parse()
        return message

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

    def handle_ping(self) -> None:
        if self._takes_control_frame():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # pongs that are not sent

    def handle_pong(self, event: Any) -> None:
        if self.pending_ping_payload is not None or self._takes_control_frame():
            super().handle_pong(event)

    def _takes_control_frame(self) -> bool:
        """Whether a control frame is within bounds. Otherwise the client is dropped."""
        now_s = self.loop.time()
        if now_s >= self._minute_ends_s:
            self._control_frames, self._minute_ends_s = 0, now_s + _MINUTE_S
        self._control_frames += 1
        too_many = self._control_frames > _MAX_CONTROL_FRAMES
        if not self.handshake_complete or (too_many and self.close_sent):
            self.transport.abort()
        elif too_many:
            self.end(_POLICY, "too many pings")
        elif self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.end(_TRY_AGAIN_LATER, "too slow: connect again")
        return self.open

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
        if self._open_connections.draining and message["type"] == "websocket.accept":
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
        """Sends a close frame. The connection is aborted if the client does not answer it within `close_timeout`."""
        if not self.open:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:
            self.read_paused = False
            self.loop.call_soon(self._parse)  # the client's close frame may be among what is unread
        # uvicorn leaves the connection open while there is this timer: the client's close frame may come.
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def abort_soon(self) -> None:
        """Aborts the connection after `close_timeout`, even if the client never reads what was written."""
        self.loop.call_later(self.close_timeout, self.transport.abort)
