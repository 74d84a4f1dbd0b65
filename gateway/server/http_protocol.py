"""HTTP/1.1 protocol: parses the requests of a connection and passes each to the fast path or to the ASGI application.

Whole requests of frequent routes go the fast path (fast_path.py), all others by ASGI; input that is not HTTP is
refused with a problem. Reading in pieces, limits and closing are in bounded_connection.py.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.http.exchange import Exchange, Header, request_id_of
from gateway.http.problems import Problem
from gateway.server.asgi_request import AsgiRequest
from gateway.server.authority import split_target
from gateway.server.bounded_connection import BoundedConnection
from gateway.server.connections import Connections
from gateway.server.fast_path import FastPath, FastRequest, may_take
from gateway.server.request_bounds import Phase
from gateway.server.request_head import (
    MAX_TARGET,
    check_handshake,
    check_head,
    check_host,
    combined,
    has_body,
    head_size,
    problem_of,
)
from gateway.server.response_writer import ResponseWriter, encode_rejection, encode_response
from gateway.server.uvicorn_private import HIGH_WATER_LIMIT

_BODY = Phase.BODY


class BoundedHttp(BoundedConnection):
    """One HTTP connection. `connections` counts all that are open."""

    def __init__(
        self, fast_path: FastPath, writer: ResponseWriter, connections: Connections, *args: Any, **named: Any
    ) -> None:
        super().__init__(writer, connections, *args, **named)
        self.url = b""
        self.headers = []
        self._fast_path = fast_path
        self._fast = FastRequest()
        self._fast_route: Any = None
        """The route of the request whose body is being read; None: it goes by ASGI."""
        self._host: bytes | None = None
        """The last valid Host header."""
        self._upgrades = False
        self._offer_ignored = False
        """Whether the request offers another protocol that is not supported, and has a body. It is parsed again without
        the offer, since the parser takes its body for the other protocol."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._fast.disconnected = True
        super().connection_lost(exc)

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        if not self._bounds.reading:
            raise ValueError("no more requests are read")
        self.url = b""
        self.headers = []
        if self._offer_ignored:
            self._offer_ignored = False
        else:
            self._bounds.begin()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not value or value[-1] <= 32:
            value = value.rstrip(b" \t")  # the parser leaves blanks behind a value (RFC 9110, 5.5)
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
        # Headers on several lines, as proxies add X-Forwarded-For, are combined below and go by ASGI.
        if (
            version == "1.1"
            and not bounds.unanswered
            and len(fields) == len(headers)
            and self.url[:1] == b"/"
            and len(self.url) <= MAX_TARGET
            and not self.flow.write_paused
            and may_take(fields)
            and (route := self._fast_path.find(method, self.url, fields)) is not None
        ):
            bounds.headers()
            self._fast_route = route
            self._fast.fields, self._fast.body = fields, b""
            return
        check_head(version, method, self.url, headers, fields)
        if len(fields) < len(headers):
            self.headers = combined(headers)
            fields = dict(self.headers)
        if b"upgrade" in fields and self.parser.should_upgrade() and self._should_upgrade():
            if bounds.unanswered:
                raise Problem("validation", "Open a WebSocket on a connection of its own.")
            check_handshake(fields)
            self._upgrades = True
        elif self.parser.should_upgrade() and has_body(fields):
            self._offer_ignored = True
            return
        bounds.headers()
        if not self._upgrades:
            self._start_by_asgi(version, method, b"")

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
        if self._offer_ignored:
            return
        self._bounds.end()
        if self._fast_route is not None:
            self._handle_fast_request()
        elif not self._upgrades:
            cycle = self.cycle
            if not cycle.keep_alive:
                self._bounds.stop()
            if not cycle.response_complete:
                cycle.more_body = False
                cycle.message_event.set()

    def _drop_request(self) -> None:
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
                self.transport.close()  # no response can follow one that is incomplete

    # --- requests on the fast path ---

    def _handle_fast_request(self) -> None:
        request, route = self._fast, self._fast_route
        self._fast_route = None
        # A stopping gateway rejects nothing: its last responses have to say that the connection closes.
        rejection = None if self._open_connections.draining else self._fast_path.rejection(route)
        if rejection is not None:
            request_id = request_id_of(request.fields.get(b"x-request-id"))
            server_headers = self.server_state.default_headers
            self._writer.write(self.transport, encode_rejection(rejection, server_headers, request_id))
            self._response_complete()
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
        response = encode_response(status, self.server_state.default_headers, headers, body)
        self._fast_path.finished(request.route, status, time.perf_counter() - request.began_s)
        if request.disconnected:
            return
        self._writer.write(self.transport, response)
        if final:
            self.close_after_response()
        self._response_complete()

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
        expects_100 = any(
            name == b"expect" and b"100-continue" in value.lower() for name, value in self.headers
        )
        self.cycle = cycle = AsgiRequest(
            self,
            scope=scope,
            transport=self._response_transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_100,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.body += body
        # Trailers of a chunked body are not added to the headers: the request is handled before they are checked.
        self.headers = []
        if self._bounds.unanswered == 1:
            self._start(cycle)
        else:
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._response_complete()

    # --- other protocols ---

    def _ignored_offer(self) -> bytes:
        if not self._offer_ignored:
            return b""
        line = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        headers = (b"%b: %b" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join((line, *headers, b"\r\n"))

    def _hand_over(self) -> bool:
        if not self._upgrades:
            return False
        self._cancel_timer()
        self._writer.flush()
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
