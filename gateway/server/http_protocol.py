"""HTTP/1.1: what a parser finds in the input of a connection, and who answers it.

Whole requests of frequent routes go the fast path (fast_path.py), all others by ASGI; what is not HTTP is refused
with a problem. Pieces, bounds and ends are those of any connection (bounded_connection.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import unquote

from gateway.http.exchange import Exchange, Header, request_id_of
from gateway.http.problems import Problem
from gateway.server.asgi_request import AsgiRequest
from gateway.server.authority import split_target
from gateway.server.bounded_connection import BoundedConnection
from gateway.server.connections import Connections
from gateway.server.fast_path import FastPath, FastRequest, may_take
from gateway.server.request_bounds import Phase
from gateway.server.request_head import check_handshake, check_head, check_host, head_size, problem_of
from gateway.server.response_writer import Outbox, refusal_as_sent, whole_answer
from gateway.server.uvicorn_private import HIGH_WATER_LIMIT

_BODY = Phase.BODY


class BoundedHttp(BoundedConnection):
    """One HTTP connection. `connections` knows of the others."""

    def __init__(
        self, fast_path: FastPath, outbox: Outbox, connections: Connections, *args: Any, **named: Any
    ) -> None:
        super().__init__(outbox, connections, *args, **named)
        self.url = b""
        self.headers = []
        self._fast_path = fast_path
        self._fast = FastRequest()
        self._fast_route: Any = None
        """The route of the request whose body is being read; None: it goes by ASGI."""
        self._host: bytes | None = None
        """The last Host that was found to be one."""
        self._upgrades = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fast.disconnected = True
        super().connection_lost(exc)

    # --- what the parser finds ---

    def on_message_begin(self) -> None:
        if not self._bounds.reading:
            raise ValueError("no more requests are read")
        self.url = b""
        self.headers = []
        self._bounds.begin()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if (
            value[-1:] <= b" "
        ):  # the parser leaves blanks behind a value, which are none of it (RFC 9110, 5.5)
            value = value.rstrip(b" \t")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        bounds, headers = self._bounds, self.headers
        if bounds.in_pieces and (refusal := bounds.head(head_size(self.url, headers))):
            raise problem_of(refusal)
        fields = dict(headers)
        version = self.parser.get_http_version()
        method = self.parser.get_method()
        if (host := fields.get(b"host")) is None or host != self._host:
            check_host(version, host)
            self._host = host
        check_head(version, method, self.url, headers, fields)
        if b"upgrade" in fields and self.parser.should_upgrade() and self._should_upgrade():
            if bounds.unanswered:
                raise Problem("validation", "Open a WebSocket on a connection of its own.")
            check_handshake(fields)
            self._upgrades = True
        bounds.headers()
        if self._upgrades:
            return
        fast = bounds.unanswered == 1 and version == "1.1" and not self.flow.write_paused
        # A header on several lines, as proxies add X-Forwarded-For, is one value by ASGI alone.
        if fast and len(fields) == len(headers) and may_take(fields):
            self._fast_route = self._fast_path.find(method, self.url, fields)
        if self._fast_route is None:
            self._start_by_asgi(version, method, b"")
        else:
            self._fast.fields, self._fast.body = fields, b""

    def on_body(self, body: bytes) -> None:
        if self._fast_route is not None:
            self._fast.body += body
            return
        self._bounds.body(len(body))
        if self._upgrades or (cycle := self.cycle).response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._bounds.end()
        if self._fast_route is not None:
            self._take()
        elif not self._upgrades:
            cycle = self.cycle
            if not cycle.keep_alive:
                self._bounds.stop()
            if not cycle.response_complete:
                cycle.more_body = False
                cycle.message_event.set()

    def _break_request(self) -> None:
        """Gives up a request whose headers have come and whose body has not."""
        bounds = self._bounds
        if bounds.phase is not _BODY or self._upgrades:
            return
        if self._fast_route is not None:
            self._fast_route = None
            bounds.dropped()
        elif not (broken := self.cycle).response_complete:
            broken.disconnected = True
            broken.message_event.set()
            bounds.dropped()
            if self.pipeline and self.pipeline[0][0] is broken:
                self.pipeline.popleft()
            if broken.response_started:
                self.transport.close()  # half a response is written, which nothing can follow

    # --- requests on the fast path ---

    def _take(self) -> None:
        request, route = self._fast, self._fast_route
        self._fast_route = None
        # A stopping gateway rejects nothing: its last responses have to say that the connection closes.
        rejection = None if self._all.draining else self._fast_path.rejection(route)
        if rejection is not None:
            request_id = request_id_of(request.fields.get(b"x-request-id"))
            own = self.server_state.default_headers
            self._outbox.add(self.transport, refusal_as_sent(rejection, own, request_id))
            self._answered()
            return
        path, _, query = self.url.partition(b"?")
        request.route, request.began_s = route, time.perf_counter()
        self._fast_path.handle(
            route,
            Exchange(
                method=self.parser.get_method().decode(),
                path=path.decode(),
                query=query,
                headers=request.fields,
                body=request.body,
                client=self.client,
                respond=self._respond,
            ),
        )

    def _respond(self, status: int, headers: list[Header], body: bytes) -> None:
        request = self._fast
        final = self._bounds.ends and self.is_final()
        if final:
            headers = [*headers, (b"connection", b"close")]
        answer = whole_answer(status, self.server_state.default_headers, headers, body)
        self._fast_path.finished(request.route, status, time.perf_counter() - request.began_s)
        if request.disconnected:
            return
        self._outbox.add(self.transport, answer)
        if final:
            self.close_after_response()
        self._answered()

    def _leave_fast_path(self) -> None:
        if self._fast_route is not None:
            self._fast_route = None
            self._start_by_asgi("1.1", self.parser.get_method(), self._fast.body)

    # --- requests by ASGI ---

    def _start_by_asgi(self, version: str, method: bytes, body: bytes) -> None:
        raw_path, query = split_target(self.url)
        path = raw_path.decode("ascii")
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": method.decode("ascii"),
            "root_path": self.root_path,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)
        self.cycle = cycle = AsgiRequest(
            self,
            scope=scope,
            transport=self._of_responses,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.body += body
        # What comes after a chunked body is no header: nobody has looked at it before it was acted on.
        self.headers = []
        if self._bounds.unanswered == 1:
            self._start(cycle)
        else:
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._answered()

    # --- other protocols ---

    def _take_upgrade(self) -> bool:
        if not self._upgrades:
            return False
        self._forget_timer()
        self._outbox.empty()
        self._bounds.stop()
        self._unread = b""
        self.connections.discard(self)
        request_line = b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
        headers = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        make: Any = self.ws_protocol_class
        protocol = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        protocol.lease = self._lease
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        self._flow.release()
        protocol.data_received(request_line + headers + b"\r\n")
        return True
