"""A live socket as its handler sees it: accepted or rejected, text messages, closed with a code.

The codes: 1003 for a binary message, 1007 for a message that is not UTF-8, 1008 for one that is not expected, 1009 for
one that is too long, 1011 for an internal error or a client that answers no ping, 1012 when the gateway stops, 1013 for
a client that does not read or should retry later, 4401 for a token that is missing, invalid or expired, 4403 for an
account without permission, 4429 past a limit.
"""

from __future__ import annotations

from gateway.http.exchange import Receive, Scope, Send, request_id_of
from gateway.http.problems import Problem
from gateway.http.query import query_parameters
from gateway.server.websocket_protocol import CONNECTION, BoundedWebSocket, text_frame

__all__ = ["POLICY_VIOLATION", "Socket", "close_code", "text_frame"]

UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
_CODES = {401: 4401, 403: 4403, 429: 4429, 503: 1013}
_MAX_REASON = 120


def close_code(problem: Problem) -> int:
    """Returns the code that closes an accepted socket because of a problem."""
    return _CODES.get(problem.status, INTERNAL_ERROR)


class Socket:
    """A WebSocket of one client. It is accepted or rejected first; what is sent after its end is dropped."""

    __slots__ = ("_connection", "_query", "_receive", "_send", "accepted", "headers", "path", "request_id")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_of(self.headers.get(b"x-request-id"))
        self.accepted = False
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send
        self._connection: BoundedWebSocket = scope[CONNECTION]

    @property
    def authorization(self) -> bytes | None:
        return self.headers.get(b"authorization")

    @property
    def open(self) -> bool:
        """Whether anything can still be sent."""
        return self._connection.open

    def parameters(self, *known: str) -> dict[str, str]:
        """The query's parameters. Raises Problem `validation` for an unknown or repeated one."""
        return query_parameters(self._query, known)

    async def accept(self) -> None:
        """Accepts the handshake."""
        self.accepted = True
        await self._receive()  # the event websocket.connect
        await self._send({"type": "websocket.accept", "headers": [(b"x-request-id", self.request_id)]})

    async def refuse(self, problem: Problem) -> None:
        """Rejects the handshake with a problem, as an HTTP response."""
        body = problem.body()
        headers = [
            *problem.headers(),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.request_id),
            (b"cache-control", b"no-store"),
        ]
        await self._send(
            {"type": "websocket.http.response.start", "status": problem.status, "headers": headers}
        )
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def receive_text(self) -> str | None:
        """Returns the client's next message; None once it has disconnected. Nothing is read before this is called."""
        if self._connection.close_sent:
            return None  # messages received meanwhile are dropped
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        if text is None:
            self.close(UNSUPPORTED_DATA, "send JSON as text, not as binary")
        return text

    def push(self, frame: bytes) -> None:
        """Sends a frame made by `text_frame`, without waiting. One frame can be sent to many sockets.

        Frames arrive in the order of these calls. A client that does not read is dropped with 1013.
        """
        self._connection.push(frame)

    def push_text(self, text: bytes) -> None:
        """Sends one message, given as UTF-8, without waiting."""
        self._connection.push(text_frame(text))

    async def send_text(self, text: str | bytes) -> None:
        """Sends one message after the client has read most of the earlier ones."""
        await self._connection.writable.wait()
        self.push_text(text.encode() if isinstance(text, str) else text)

    def close(self, code: int, reason: str = "") -> None:
        """Closes the socket; `receive_text` returns None from then on. Only the first call has an effect."""
        self._connection.end(code, reason[:_MAX_REASON])
