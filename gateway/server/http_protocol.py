"""HTTP/1.1 within bounds: what a parser finds in the input, who answers it, and how the connection ends.

The bounds themselves are in request_bounds.py. Here is the connection that they hold for: it feeds input to the
parser in pieces, gives whole requests of frequent routes to the fast path (fast_path.py) and all others to ASGI,
answers in order, and refuses with a problem what is not HTTP.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.http import Exchange, Header, request_id_of
from gateway.problems import Problem
from gateway.server.asgi_request import AsgiRequest, HeldFlow, ResponseTransport
from gateway.server.connections import Connections, Lease
from gateway.server.fast_path import FastRequest, ShortWay, may_take
from gateway.server.request_bounds import FEW_HEADS, MAX_PIECE, Due, Phase, Refusal, RequestBounds
from gateway.server.request_head import (
    check_head,
    check_host,
    head_size,
    not_http,
    problem_of,
    too_many_connections,
)
from gateway.server.response_writer import Outbox, refusal_as_sent, whole_answer
from gateway.server.uvicorn_private import HIGH_WATER_LIMIT, HttpToolsProtocol

_BODY, _BETWEEN = Phase.BODY, Phase.BETWEEN
_END_OF_HEAD = b"\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """One HTTP connection. `connections` knows of the others."""

    def __init__(
        self, short_way: ShortWay, outbox: Outbox, connections: Connections, *args: Any, **named: Any
    ) -> None:
        super().__init__(*args, **named)
        self.url = b""
        self.headers = []
        self._short_way = short_way
        self._outbox = outbox
        self._all = connections
        self._bounds = RequestBounds(self.loop.time())
        self._flow: HeldFlow
        self._of_responses: ResponseTransport
        self._lease: Lease | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._unread, self._read = b"", 0
        """Input that is not parsed yet, and how much of it is."""
        self._parses_soon = False
        self._client_ended = False
        self._refusal: Problem | None = None
        """What the connection ends with, once the requests before are answered."""
        self._fast = FastRequest()
        self._fast_route: Any = None
        """The route of the request whose body is being read; None: it goes by ASGI."""
        self._host: bytes | None = None
        """The last Host that was found to be one."""
        self._upgrades = False
        self._answering: AsgiRequest | None = None

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = self._flow = HeldFlow(transport)
        self._of_responses = ResponseTransport(self)
        self._lease = lease = self._all.open(self.client)
        if lease.reset:
            transport.abort()
        elif lease.refused:
            self._refusal = too_many_connections()
            self._bounds.stop()
            self._end_if_answered()
        else:
            if self._all.draining:
                self._bounds.drain(self.loop.time())
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        if self._lease is not None:
            self._lease.close()
        self._bounds.stop()
        self._unread = b""
        self._fast.disconnected = True
        waiting = [cycle for cycle, _ in self.pipeline]
        for cycle in (self._answering, *waiting):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)
        # Else they would keep each other until the next full collection, which is rare.
        self.pipeline.clear()
        self._answering = self.cycle = self._of_responses = None  # type: ignore[assignment]

    def shutdown(self) -> None:
        """The gateway stops: ends the connection with its last response, or once it has been idle for a while."""
        self._outbox.empty()
        self._bounds.drain(self.loop.time())
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._bounds.write_paused(self.transport.get_write_buffer_size(), self.loop.time())
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._bounds.write_resumed(self.loop.time())

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. It still gets the responses to its whole requests."""
        self._client_ended = True
        if self._unread:
            return True
        self._end_input()
        return self._bounds.unanswered > 0

    # --- input ---

    def data_received(self, data: bytes) -> None:
        bounds = self._bounds
        if not bounds.reading:
            return
        size = len(data)
        if (
            self._unread
            or size > MAX_PIECE
            or (size > FEW_HEADS and data.count(_END_OF_HEAD) > 1)
            or bounds.full
        ):
            self._unread, self._read = self._unread[self._read :] + data, 0
            self._parse_on()
        else:
            self._parse(data)

    def _parse_soon(self) -> None:
        """Parses on once others had a turn."""
        if not self._parses_soon:
            self._parses_soon = True
            self.loop.call_soon(self._parse_on)

    def _parse_on(self) -> None:
        """Parses one more piece of the unread input, with the end of one head at most."""
        bounds = self._bounds
        self._parses_soon = False
        if not self._unread or not bounds.reading:
            self._unread = b""
            return
        self._flow.hold()
        if bounds.full:
            return  # goes on with a response
        unread, start = self._unread, self._read
        found = unread.find(_END_OF_HEAD, start, start + MAX_PIECE)
        self._read = min(start + MAX_PIECE if found < 0 else found + len(_END_OF_HEAD), len(unread))
        self._parse(unread[start : self._read])
        if self._read < len(unread):
            self._parse_soon()
            return
        self._unread = b""
        if self._client_ended:
            self._end_input()
            self._end_if_answered()
        elif not bounds.full:
            self._flow.release()

    def _parse(self, piece: bytes) -> None:
        bounds = self._bounds
        bounds.feed(len(piece), self.loop.time())
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            bounds.fed()
            if self._upgrades:
                self._become_websocket()
            elif rest := piece[upgrade.args[0] :]:
                self._parse(rest)  # another protocol was offered, which nobody has to take up
            return
        except httptools.HttpParserError as error:
            if bounds.reading:
                # What one of the methods below has raised, if it was one of them.
                cause = error.__context__
                self._refuse_input(cause if isinstance(cause, Problem) else not_http())
            return
        if self._fast_route is not None:
            self._leave_fast_path()
        if (refusal := bounds.fed()) is not None:
            self._refuse_input(problem_of(refusal))
        elif bounds.phase is not _BETWEEN:
            self._watch()
        elif bounds.full:
            self._flow.hold()

    def _end_input(self) -> None:
        """No more input will come. A request that is not whole is given up."""
        self._break_request()
        self._bounds.stop()

    def _refuse_input(self, refusal: Problem) -> None:
        """Reads no more, and says why once the requests before are answered: responses go in order."""
        self._refusal = refusal
        self._break_request()
        self._bounds.stop()
        self._unread = b""
        self._end_if_answered()

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
            self._upgrades = True
        bounds.headers()
        if self._upgrades:
            return
        if bounds.unanswered == 1 and version == "1.1" and not self.flow.write_paused and may_take(fields):
            self._fast_route = self._short_way.find(method, self.url, fields)
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

    # --- requests on the fast path ---

    def _take(self) -> None:
        request, route = self._fast, self._fast_route
        self._fast_route = None
        if (refusal := self._short_way.turned_away(route)) is not None and not self._all.draining:
            request_id = request_id_of(request.fields.get(b"x-request-id"))
            own = self.server_state.default_headers
            self._outbox.add(self.transport, refusal_as_sent(refusal, own, request_id))
            self._answered()
            return
        path, _, query = self.url.partition(b"?")
        request.route, request.began_s = route, time.perf_counter()
        self._short_way.take(
            route,
            Exchange(
                method=self.parser.get_method().decode(),
                path=path.decode(),
                query=query,
                headers=request.fields,
                body=request.body,
                client=self.client,
                tell=self._tell,
            ),
        )

    def _tell(self, status: int, headers: list[Header], body: bytes) -> None:
        request = self._fast
        final = self._bounds.ends and self.is_final()
        if final:
            headers = [*headers, (b"connection", b"close")]
        answer = whole_answer(status, self.server_state.default_headers, headers, body)
        self._short_way.answered(request.route, status, time.perf_counter() - request.began_s)
        if request.disconnected:
            return
        self._outbox.add(self.transport, answer)
        if final:
            self.close_after_response()
        self._answered()

    def _leave_fast_path(self) -> None:
        """The body has not come whole: the request goes by ASGI."""
        self._fast_route = None
        self._start_by_asgi("1.1", self.parser.get_method(), self._fast.body)

    # --- requests by ASGI ---

    def _start_by_asgi(self, version: str, method: bytes, body: bytes) -> None:
        target = httptools.parse_url(self.url)
        raw_path = target.path or b"/"
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
            "query_string": target.query or b"",
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

    def _start(self, cycle: Any) -> None:
        self._answering = cycle
        self._start_asgi_task(cycle, self.app)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._answered()

    # --- responses ---

    def is_final(self) -> bool:
        """Whether the response that begins now is the last one, so that the connection is closed after it."""
        return self._bounds.final and self._refusal is None and not self._unread

    def _answered(self) -> None:
        """A response is written whole: the next request has its turn."""
        bounds = self._bounds
        bounds.answered(self.loop.time())
        if bounds.unanswered:
            if self.pipeline and not self.transport.is_closing():
                self.flow.resume_reading()
                self._start(self.pipeline.pop()[0])
        elif not bounds.reading:
            self._end_if_answered()
        elif bounds.phase is _BODY:
            self._watch()  # answered before its body had come, so that the rest of it is for nothing
        if self._flow.held and not bounds.full:
            if self._unread:
                self._parse_soon()
            else:
                self._flow.release()

    def _end_if_answered(self) -> None:
        """Ends the connection once nothing is to be answered any more."""
        bounds = self._bounds
        if bounds.unanswered or bounds.phase is not Phase.STOPPED or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._outbox.empty()
            self.transport.write(self._final_refusal(self._refusal))
        self.close_after_response()

    def _final_refusal(self, refusal: Problem) -> bytes:
        body = refusal.body()
        headers = [
            *refusal.headers(),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id_of(None)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        return whole_answer(refusal.status, self.server_state.default_headers, headers, body)

    def end_of_response(self) -> None:
        if self._answering is not None and self._answering.response_complete:
            self.close_after_response()
        else:
            self.transport.close()  # broken off by an error

    def close_after_response(self) -> None:
        """Closes once the client has what was written: closing with unread input would reset the connection."""
        self._outbox.empty()
        self._bounds.linger(self.loop.time())
        self._unread = b""
        if self._client_ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.flow.resume_reading()
        self._flow.release()
        self.transport.write_eof()
        self._watch()

    def _become_websocket(self) -> None:
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

    # --- time ---

    def _watch(self) -> None:
        """Looks at the bounds again no later than at their next deadline."""
        at_s = self._bounds.deadline()
        if self._timer is not None:
            if self._timer_at_s <= at_s:
                return
            self._timer.cancel()
        self._timer_at_s = at_s
        self._timer = self.loop.call_at(at_s, self._look)

    def _look(self) -> None:
        self._timer = None
        match self._bounds.due(self.loop.time(), self.transport.get_write_buffer_size()):
            case Due.CLOSE:
                self.transport.close()
            case Due.ABORT:
                self.transport.abort()
            case Due.REFUSE:
                self._refuse_input(problem_of(Refusal.TIMEOUT))
                self._watch()
            case Due.NOTHING:
                self._watch()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
