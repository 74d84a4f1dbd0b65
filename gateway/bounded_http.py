"""HTTP/1.1 with bounds on what comes before the body and on how long it takes to come, and problems for what
is not HTTP at all.

A connection whose next request does not come whole in time is closed; whoever had begun to send is told so. No
time is taken of requests that come in one piece, as nearly all do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.http import request_id_of
from gateway.problems import Problem
from gateway.whole_answers import SCOPE_KEY

MAX_URL = 8 * 1024
MAX_HEAD = 32 * 1024
HEAD_WITHIN_S = 20.0
"""So long may the head of a request take, from its first byte, and the first byte of a connection."""
REQUEST_WITHIN_S = 60.0
"""So long may a whole request take."""
LINGER_S = 1.0
"""So long is read on, and thrown away, what follows an answer that ends its connection."""

_ONCE = frozenset((b"host", b"authorization", b"content-type", b"content-length", b"idempotency-key"))
_VERSIONS = ("1.1", "1.0")


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, that neither gathers a head without end nor waits for ever."""

    _arrived = 0
    _head_bytes = 0
    _in_head = False
    _in_message = False
    _reads = True
    _refusal: Problem | None = None
    _told = False
    _answering: RequestResponseCycle | None = None
    _patience: asyncio.TimerHandle | None = None
    _waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        if self._busy and self._answering is not None:
            # uvicorn tells the last request only, not those before it.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._reads = False
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if not self._reads:
            return
        self._arrived = len(data)
        super().data_received(data)
        if self._in_head:
            # One field without an end never gets to on_header.
            self._head_bytes += self._arrived
            if self._head_bytes > MAX_HEAD and self._reads:
                self._refusal = _too_large()
                self.send_400_response("")
        if self._patience is None and self._reads and (self._in_message or not self._busy):
            self._wait_for(HEAD_WITHIN_S)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL:
            self._refuse(Problem("uri_too_long", f"An address has at most {MAX_URL} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a chunked body is no header: nobody has looked at it before it was acted on.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._head_bytes + self._arrived > MAX_HEAD and _size(self.headers) > MAX_HEAD:
            self._refuse(_too_large())
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        if version not in _VERSIONS or (version == "1.1" and b"host" not in names):
            self._refuse(Problem("validation", "HTTP/1.1 with the header Host is spoken here."))
        if b"transfer-encoding" in names and not self._chunked():
            self._refuse(Problem("validation", "Of the transfer encodings, 'chunked' alone is understood."))
        if len(set(names)) < len(names):
            repeated = sorted(name.decode() for name in _ONCE if names.count(name) > 1)
            if repeated:
                self._refuse(Problem("validation", f"Send {', '.join(repeated)} once."))
        super().on_headers_complete()
        self._in_head = False
        self.scope[SCOPE_KEY] = self.cycle  # type: ignore[literal-required]

    def _chunked(self) -> bool:
        given = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        return given == [b"chunked"]

    def on_message_complete(self) -> None:
        self._in_message = False
        self._wait_no_more()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _busy(self) -> bool:
        """Whether an answer is still to be given."""
        cycle = self._answering
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._reads:
            self._tell_refusal()
        elif self._in_message and not self._in_head and self.cycle.response_complete:
            # Answered before its body had come, so that the rest of it is for nothing.
            self._wait_for(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """Reads no more, and says why once the requests before are answered: answers go in order."""
        self._reads = False
        self._wait_no_more()
        if self._in_message and not self._in_head and not self.cycle.response_complete:
            # Its head was good, so that it waits for a body that will not come.
            broken, self.cycle.disconnected = self.cycle, True
            self.cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is broken:
                self.pipeline.popleft()
        self._tell_refusal()

    def _tell_refusal(self) -> None:
        if self._busy or self.pipeline or self._told or self.transport.is_closing():
            return
        self._told = True
        refusal = self._refusal or Problem(
            "validation", "This is not HTTP/1.1: check the request line and headers."
        )
        body = refusal.body()
        headers = [
            *self.server_state.default_headers,
            *refusal.headers(),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id_of(None)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body]))
        # Closing with unread bytes would reset the connection, and the answer with it: let them run out first.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _refuse(self, refusal: Problem) -> None:
        self._refusal = refusal
        raise ValueError(refusal.detail)  # ends the parser, and with it this connection

    def _wait_for(self, seconds: float) -> None:
        self._wait_no_more()
        self._waiting_since = self.loop.time()
        self._patience = self.loop.call_later(seconds, self._no_patience)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _no_patience(self) -> None:
        waited_s = self.loop.time() - self._waiting_since
        if not self._in_message or (not self._in_head and self.cycle.response_complete):
            self.transport.close()
        elif self._busy and (self._in_head or self._answering is not self.cycle):
            self._wait_for(HEAD_WITHIN_S)  # the requests before come first, and we may not even read
        elif not self._in_head and waited_s < REQUEST_WITHIN_S:
            self._patience = self.loop.call_later(REQUEST_WITHIN_S - waited_s, self._no_patience)
        else:
            self._refusal = Problem(
                "request_timeout", "The request did not come whole in time; send it again."
            )
            self.send_400_response("")


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _too_large() -> Problem:
    return Problem("headers_too_large", f"Headers have at most {MAX_HEAD} bytes in all.")
