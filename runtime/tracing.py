"""OpenTelemetry: one trace of a sampled request, from the gateway over the log to the e-mail.

Off unless AISLE_TRACE_URL is set; then the extra `tracing` has to be installed. Only this module knows OpenTelemetry's
packages, and it loads them when it is opened. Spans are sent by a thread, in batches; a collector that is away costs
spans, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

from runtime.process import CannotStart
from runtime.settings import Settings

Span = Any
"""A span of OpenTelemetry."""

_QUEUE = 8192
"""Spans that wait to be sent; more are dropped."""
_EVERY_MS = 2_000
_CLOSE_S = 5.0

Kind = Literal["SERVER", "PRODUCER", "CONSUMER", "CLIENT"]


class Tracing:
    """Makes the spans of one process. `exporter` is one of OpenTelemetry's, to which they are sent."""

    def __init__(self, service: str, instance: str, exporter: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        release = version("aisle")
        self._api = trace
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # gateways have sampled already
            shutdown_on_exit=False,
            resource=Resource.create(
                {
                    "service.name": f"aisle-{service}",
                    "service.version": release,
                    "service.instance.id": instance,
                    "host.name": platform.node(),
                }
            ),
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("aisle", release)

    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Mapping[str, str | int | float],
        links: Sequence[str] = (),
    ) -> Span:
        """Starts a span below the span of the traceparent `parent`, or a trace of its own; `end` has to follow."""
        context = None
        if parent is not None:
            context = self._api.set_span_in_context(self._api.NonRecordingSpan(self._context(parent)))
        return self._tracer.start_span(
            name,
            context=context,
            kind=self._api.SpanKind[kind],
            attributes=dict(attributes),
            links=[self._api.Link(self._context(one)) for one in links],
            start_time=time.time_ns(),
        )

    def fail(self, span: Span, reason: str) -> None:
        """Marks a span as failed."""
        span.set_status(self._api.StatusCode.ERROR, reason)

    async def close(self) -> None:
        """Sends what waits, for five seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.to_thread(self._provider.shutdown)

    def _context(self, traceparent: str) -> Any:
        _, trace_id, span_id, _ = traceparent.split("-")
        sampled = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        return self._api.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)


def traceparent(span: Span) -> str:
    """The W3C context of a span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


@contextlib.asynccontextmanager
async def open_tracing(settings: Settings, service: str) -> AsyncIterator[Tracing | None]:
    """Yields the tracing of a process; None where it is off. Raises CannotStart without the extra."""
    if settings.trace_url is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise CannotStart(
            "AISLE_TRACE_URL: OpenTelemetry is not installed; `make tracing` does it, elsewhere "
            "`pip install --require-hashes -r requirements/tracing.lock`"
        ) from None
    exporter = OTLPSpanExporter(endpoint=f"{settings.trace_url}/v1/traces", timeout=_CLOSE_S)
    tracing = Tracing(service, settings.process or service, exporter)
    try:
        yield tracing
    finally:
        await tracing.close()
