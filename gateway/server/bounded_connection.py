"""One HTTP connection with limits: feeds the parser in pieces, sends responses in order, and closes without a reset.

The limits are a state machine (request_bounds.py); parsed requests are handled by the protocol (http_protocol.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from gateway.http.problems import Problem
from gateway.server.asgi_request import AsgiRequest, HeldFlow, ResponseTransport
from gateway.server.connections import Connections, Lease
from gateway.server.request_bounds import FEW_HEADS, MAX_PIECE, Due, Phase, Refusal, RequestBounds
from gateway.server.request_head import not_http, problem_of, too_many_connections
from gateway.server.response_writer import ResponseWriter, final_problem
from gateway.server.uvicorn_private import HttpToolsProtocol

_BODY, _BETWEEN = Phase.BODY, Phase.BETWEEN
_END_OF_HEAD = b"\r\n\r\n"
_MAX_UNSENT = 16 * 1024
"""Bytes of responses beyond those in the kernel until which a client gets more of them. Small responses take about
twice their size in memory."""


class BoundedConnection(HttpToolsProtocol):
    """Base class of an HTTP connection. `connections` counts all that are open."""

    def __init__(self, writer: ResponseWriter, connections: Connections, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._writer = writer
        self._open_connections = connections
        self._bounds = RequestBounds(self.loop.time())
        self._flow: HeldFlow
        self._response_transport: ResponseTransport
        self._lease: Lease | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._unread, self._read = b"", 0
        """Input that is not parsed completely, and how many bytes of it are parsed."""
        self._parses_soon = False
        self._client_ended = False
        self._refusal: Problem | None = None
        """The response that ends the connection, once earlier requests are answered."""
        self._answering: AsgiRequest | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(_MAX_UNSENT)
        self.flow = self._flow = HeldFlow(transport)
        self._response_transport = ResponseTransport(self)
        self._lease = lease = self._open_connections.open(self.client)
        if lease.reset:
            transport.abort()
        elif lease.refused:
            self._refusal = too_many_connections()
            self._bounds.stop()
            self._end_if_idle()
        else:
            if self._open_connections.draining:
                self._bounds.drain(self.loop.time())
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        if self._lease is not None:
            self._lease.close()
        self._bounds.stop()
        self._unread = b""
        waiting = [cycle for cycle, _ in self.pipeline]
        for cycle in (self._answering, *waiting):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)
        # Breaks reference cycles: a full garbage collection is rare.
        self.pipeline.clear()
        self._answering = self.cycle = self._response_transport = None  # type: ignore[assignment]

    def shutdown(self) -> None:
        """The gateway stops: ends the connection with its last response, or once it has been idle for a while."""
        self._writer.flush()
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
            bounds.discard(self.loop.time())
            return
        size = len(data)
        if (
            self._unread
            or size > MAX_PIECE
            or (size > FEW_HEADS and data.count(_END_OF_HEAD) > 1)
            or (bounds.unanswered and bounds.full)
        ):
            self._unread, self._read = self._unread[self._read :] + data, 0
            self._parse_on()
        else:
            self._parse(data)

    def _parse_soon(self) -> None:
        """Parses the next piece after other connections had a turn."""
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
            return  # continues when a response is complete
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
            self._end_if_idle()
        elif not bounds.full:
            self._flow.release()

    def _parse(self, piece: bytes) -> None:
        bounds = self._bounds
        bounds.feed(len(piece), self.loop.time())
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            bounds.fed()
            # A server may ignore the offer of another protocol.
            if not self._hand_over() and (rest := self._ignored_offer() + piece[upgrade.args[0] :]):
                self._parse(rest)
            return
        except httptools.HttpParserError as error:
            if bounds.reading:
                # The parser wraps a Problem that a callback has raised.
                cause = error.__context__
                self._refuse_input(cause if isinstance(cause, Problem) else not_http(str(error), piece))
            return
        if bounds.phase is not _BETWEEN or bounds.piece:
            self._leave_fast_path()
            if (refusal := bounds.fed()) is not None:
                self._refuse_input(problem_of(refusal))
                return
        if bounds.phase is not _BETWEEN:
            self._watch()
        elif bounds.unanswered and bounds.full:
            self._flow.hold()

    def _end_input(self) -> None:
        """No more input will come. An incomplete request is dropped."""
        self._drop_request()
        self._bounds.stop()

    def _refuse_input(self, refusal: Problem) -> None:
        """Stops reading, and sends the refusal once earlier requests are answered: responses go in order."""
        self._refusal = refusal
        self._drop_request()
        self._bounds.stop()
        self._unread = b""
        self._end_if_idle()

    # --- responses ---

    def is_final(self) -> bool:
        """Whether the response that begins now is the last one, so that the connection is closed after it."""
        return self._bounds.final and self._refusal is None and not self._unread

    def _start(self, cycle: Any) -> None:
        self._answering = cycle
        self._start_asgi_task(cycle, self.app)

    def _response_complete(self) -> None:
        """A response is complete: the next request of the pipeline has its turn."""
        bounds = self._bounds
        bounds.answered(self.loop.time())
        if bounds.unanswered:
            if self.pipeline and not self.transport.is_closing():
                self.flow.resume_reading()
                self._start(self.pipeline.pop()[0])
        elif not bounds.reading:
            self._end_if_idle()
        elif bounds.phase is _BODY:
            # Answered before its body was complete: the rest is drained, so that the client reads the response.
            self.flow.resume_reading()
            self._watch()
        if self._flow.held and not bounds.full:
            if self._unread:
                self._parse_soon()
            else:
                self._flow.release()

    def _end_if_idle(self) -> None:
        """Closes a connection that reads no more, once all requests are answered."""
        bounds = self._bounds
        if bounds.unanswered or bounds.phase is not Phase.STOPPED or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._writer.flush()
            self.transport.write(final_problem(self._refusal, self.server_state.default_headers))
        self.close_after_response()

    def end_of_response(self) -> None:
        if self._answering is not None and self._answering.response_complete:
            self.close_after_response()
        else:
            self.transport.close()  # an error has cut the response short

    def close_after_response(self) -> None:
        """Closes after a lingering close: with unread input the connection would be reset, and the response lost."""
        self._writer.flush()
        self._bounds.linger(self.loop.time())
        self._unread = b""
        if self._client_ended or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.flow.resume_reading()
        self._flow.release()
        self.transport.write_eof()
        self._watch()

    # --- time ---

    def _watch(self) -> None:
        """Sets the timer to the next deadline of the bounds."""
        at_s = self._bounds.deadline()
        if self._timer is not None:
            if self._timer_at_s <= at_s:
                return
            self._timer.cancel()
        self._timer_at_s = at_s
        self._timer = self.loop.call_at(at_s, self._on_deadline)

    def _on_deadline(self) -> None:
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

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- methods of the protocol ---

    def _leave_fast_path(self) -> None:
        """A piece is parsed. An incomplete request on the fast path goes by ASGI instead."""
        raise NotImplementedError

    def _drop_request(self) -> None:
        """Drops a request whose headers are complete and whose body is not."""
        raise NotImplementedError

    def _hand_over(self) -> bool:
        """Hands the connection over to another protocol; False if its last request asked for none that is supported."""
        raise NotImplementedError

    def _ignored_offer(self) -> bytes:
        """The head of the last request without its offer of another protocol, if it has to be parsed again."""
        raise NotImplementedError
