"""HTTP/1.1 with bounds on what comes before the body and on how long it takes to come, problems for what is not
HTTP at all, and a short way for whole requests of hot routes.

A connection whose next request does not come whole in time is closed; whoever had begun to send is told so. No
time is taken of requests that come in one piece, as nearly all do.

**The short way.** uvicorn makes a scope, a cycle, an event and a task of every request; that is twice what reading
and writing it costs. A request of a hot route that has come whole, on a connection that waits for nothing else, is
given to its handler as it is, and the answer is written when the handler has one. Whatever is out of the ordinary
(a body in pieces or chunks, `Expect`, pipelining, HTTP/1.0, …) goes by ASGI to the same handlers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Protocol

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.http.exchange import MAX_BODY, Exchange, Header, request_id_of
from gateway.http.problems import EncodedProblem, Problem
from gateway.server.response_writer import Outbox, refusal_as_sent, whole_answer

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
_BY_ASGI = frozenset((b"expect", b"upgrade", b"transfer-encoding", b"connection"))
"""Requests with one of these, other than `Connection: keep-alive`, do not go the short way."""


class ShortWay(Protocol):
    """Who answers whole requests of hot routes."""

    def find(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Any | None:
        """The hot route of this request, to be given to `take`; None for any other request."""

    def turned_away(self, route: Any) -> EncodedProblem | None:
        """What is answered to a request at once, without looking into it; None: it is to be taken."""

    def take(self, route: Any, exchange: Exchange) -> None:
        """Answers the request, now or later. Raises nothing."""

    def answered(self, route: Any, status: int, took_s: float) -> None:
        """One more request has its answer."""


class _OnShortWay:
    """A request on the short way: what uvicorn looks at of a cycle of its own. One for each connection."""

    def __init__(self) -> None:
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True
        self.message_event = self
        self.route: Any = None
        self.began = 0.0

    def set(self) -> None:
        """Nobody waits for more of the request: it is whole."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, that neither gathers a head without end nor waits for ever."""

    _arrived = 0
    _head_bytes = 0
    _in_head = False
    _in_message = False
    _reads = True
    _refusal: Problem | None = None
    _told = False
    _answering: RequestResponseCycle | _OnShortWay | None = None
    _patience: asyncio.TimerHandle | None = None
    _waiting_since = 0.0
    _route: Any = None
    """The hot route of the request whose body is being read; None: it goes by ASGI."""
    _idle: asyncio.TimerHandle | None = None
    _idle_since = 0.0

    def __init__(self, short_way: ShortWay, outbox: Outbox, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._short_way = short_way
        self._outbox = outbox
        self._on_short_way = _OnShortWay()
        self._fields: dict[bytes, bytes] = {}
        self._body = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._idle_no_more()
        if self._busy and self._answering is not None:
            # uvicorn tells the last request only, not those before it.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._reads = False
        self._wait_no_more()
        self._idle_no_more()
        self._outbox.empty()
        # What was asked before the upgrade and is not answered yet never is: the connection speaks otherwise now.
        self._on_short_way.disconnected = True
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if not self._reads:
            return
        self._arrived = len(data)
        super().data_received(data)
        if self._route is not None:
            self._go_by_asgi()
        if self._in_head:
            # One field without an end never gets to on_header.
            self._head_bytes += self._arrived
            if self._head_bytes > MAX_HEAD and self._reads:
                self._refusal = _too_large()
                self.send_400_response("")
        if (
            self._patience is None
            and self._reads
            and (self._in_message or not (self._busy or self._idle is not None))
        ):
            self._wait_for(HEAD_WITHIN_S)

    # --- what the parser finds ---

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._in_message = self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_URL:
            self._refuse(Problem("uri_too_long", f"An address has at most {MAX_URL} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a chunked body is no header: nobody has looked at it before it was acted on.
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = self.headers
        if self._head_bytes + self._arrived > MAX_HEAD and _size(headers) > MAX_HEAD:
            self._refuse(_too_large())
        fields = dict(headers)
        version = self.parser.get_http_version()
        if version not in _VERSIONS or (version == "1.1" and b"host" not in fields):
            self._refuse(Problem("validation", "HTTP/1.1 with the header Host is spoken here."))
        if b"transfer-encoding" in fields and not self._chunked():
            self._refuse(Problem("validation", "Of the transfer encodings, 'chunked' alone is understood."))
        if len(fields) < len(headers):
            names = [name for name, _ in headers]
            repeated = sorted(name.decode() for name in _ONCE if names.count(name) > 1)
            if repeated:
                self._refuse(Problem("validation", f"Send {', '.join(repeated)} once."))
        elif version == "1.1":
            self._route = self._find(fields)
        if self._route is None:
            self._start_by_asgi()
        self._in_head = False

    def _chunked(self) -> bool:
        given = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        return given == [b"chunked"]

    def on_body(self, body: bytes) -> None:
        if self._route is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._patience is not None:
            self._wait_no_more()
        if self._route is None:
            super().on_message_complete()
        else:
            self._take()

    # --- the short way ---

    def _find(self, fields: dict[bytes, bytes]) -> Any | None:
        """The route of a request that can go the short way, as far as its head tells."""
        if not _BY_ASGI.isdisjoint(fields) and not _plain(fields):
            return None
        if self.flow.write_paused or self._busy or self.pipeline:
            return None
        length = fields.get(b"content-length")
        if length is not None and not (length.isdigit() and int(length) <= MAX_BODY):
            return None
        self._fields, self._body = fields, b""
        return self._short_way.find(self.parser.get_method(), self.url, fields)

    def _take(self) -> None:
        route, self._route = self._route, None
        if (refusal := self._short_way.turned_away(route)) is not None:
            request_id = request_id_of(self._fields.get(b"x-request-id"))
            own = self.server_state.default_headers
            self._outbox.add(self.transport, refusal_as_sent(refusal, own, request_id))
            self._await_next()
            return
        path, _, query = self.url.partition(b"?")
        under_way = self._on_short_way
        under_way.response_complete = False
        under_way.route, under_way.began = route, time.perf_counter()
        self.cycle = self._answering = under_way  # type: ignore[assignment]
        self._short_way.take(
            route,
            Exchange(
                method=self.parser.get_method().decode(),
                path=path.decode(),
                query=query,
                headers=self._fields,
                body=self._body,
                client=self.client,
                respond=self._tell,
            ),
        )

    def _tell(self, status: int, headers: list[Header], body: bytes) -> None:
        under_way = self._on_short_way
        if not under_way.keep_alive:
            headers = [*headers, (b"connection", b"close")]
        answer = whole_answer(status, self.server_state.default_headers, headers, body)
        self._short_way.answered(under_way.route, status, time.perf_counter() - under_way.began)
        if under_way.disconnected:
            return
        self._outbox.add(self.transport, answer)
        under_way.response_complete = True
        if not under_way.keep_alive:
            self._outbox.empty()
            self.transport.close()
        elif self.pipeline:
            self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._reads:
            self._tell_refusal()
        else:
            self._await_next()

    def _await_next(self) -> None:
        """Everything is answered."""
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._idle_long_enough)

    def _idle_no_more(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _idle_long_enough(self) -> None:
        """Closes a connection on which nothing was asked for a while; else looks again when that may be so."""
        since = self.loop.time() if self._busy or self._in_message else self._idle_since
        left_s = since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle = self.loop.call_later(left_s, self._idle_long_enough)
        else:
            self._idle = None
            self.transport.close()

    def _go_by_asgi(self) -> None:
        """Gives up on the short way: the body has not come whole."""
        self._route = None
        self._start_by_asgi()
        if self._body:
            super().on_body(self._body)

    def _start_by_asgi(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        super().on_headers_complete()

    def shutdown(self) -> None:
        self._outbox.empty()
        super().shutdown()

    # --- answers by ASGI, and refusals of what is not HTTP ---

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _busy(self) -> bool:
        """Whether an answer is still to be given."""
        cycle = self._answering
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
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
        self._outbox.empty()
        refusal = self._refusal or Problem(
            "validation", "This is not HTTP/1.1: check the request line and headers."
        )
        body = refusal.body()
        headers = [
            *refusal.headers(),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id_of(None)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        self.transport.write(whole_answer(refusal.status, self.server_state.default_headers, headers, body))
        # Closing with unread bytes would reset the connection, and the answer with it: let them run out first.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _refuse(self, refusal: Problem) -> None:
        self._refusal = refusal
        raise ValueError(refusal.detail)  # ends the parser, and with it this connection

    # --- patience ---

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


def _plain(fields: dict[bytes, bytes]) -> bool:
    """Whether of the unusual headers there is only one that says what is so anyway."""
    connection = fields.get(b"connection", b"").lower()
    return connection == b"keep-alive" and sum(name in fields for name in _BY_ASGI) == 1


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _too_large() -> Problem:
    return Problem("headers_too_large", f"Headers have at most {MAX_HEAD} bytes in all.")
