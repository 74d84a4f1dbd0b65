"""Spans of requests that send a command: sampled here, and carried in the command's record."""

from __future__ import annotations

import random
from uuid import UUID

from gateway.http.exchange import Exchange
from runtime.tracing import Span, Tracing, traceparent
from schemas.commands import Command
from schemas.trace_context import read_traceparent, with_trace


class RequestTracing:
    """Samples requests. `ratio` of them get a span, which lasts until the response.

    A sampled request with a sampled `traceparent` continues the client's trace. Whether it is sampled is decided here
    alone: otherwise every client could have each of its requests traced.
    """

    def __init__(self, tracing: Tracing, ratio: float) -> None:
        self._tracing = tracing
        self._ratio = ratio
        self._spans: dict[UUID, Span] = {}
        """Command id → the span of its request, until the response."""

    def begin(self, exchange: Exchange, command: Command) -> None:
        """Starts the span of a request that is about to send a command, if it is sampled."""
        if random.random() >= self._ratio:
            return
        span = self._tracing.start(
            f"{exchange.method} {type(command).__name__}",
            "SERVER",
            read_traceparent(exchange.headers.get(b"traceparent")),
            {
                "http.request.method": exchange.method,
                "url.path": exchange.path,
                "aisle.command": type(command).__name__,
                "aisle.command_id": str(command.command_id),
                "aisle.request_id": exchange.request_id.decode("latin-1"),
                "aisle.show_id": command.show_id,
            },
        )
        self._spans[command.command_id] = span

        def end(status: int) -> None:
            if self._spans.get(command.command_id) is span:
                del self._spans[command.command_id]
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                self._tracing.fail(span, str(status))
            span.end()

        exchange.on_response(end)

    def carried(self, command_id: UUID, body: bytes) -> bytes:
        """The record of a command, with the context of its request's span if it has one."""
        span = self._spans.get(command_id)
        return body if span is None else with_trace(body, traceparent(span))
