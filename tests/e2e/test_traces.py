"""One trace of a booking over all processes, at a collector that speaks OTLP over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.running import RunningAisle

SOON_S = 60
CLIENT = f"00-{'5e' * 16}-{'a7' * 8}-01"


class Span(NamedTuple):
    """A received span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]


class Collector(ThreadingHTTPServer):
    """A collector that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.server.spans += [
                    Span(
                        service, one.name, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(),
                        _attributes(one.attributes),
                    )
                    for one in scope.spans
                ]  # fmt: skip
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _attributes(found: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in found}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


async def test_one_trace_from_the_request_to_the_email(tmp_path: Path, collector: Collector) -> None:
    instance = RunningAisle(
        tmp_path / "home",
        {"AISLE_TRACE_URL": collector.url, "AISLE_TRACE_RATIO": "1", "AISLE_LOG_LEVEL": "debug"},
    )
    await instance.start()
    try:
        show_id = await instance.make_show(10)
        async with instance.client(2) as client:  # an account of the sample data, which gets an e-mail
            booked = await client.post(
                f"/api/shows/{show_id}/bookings", json={"seats": ["1"]}, headers={"traceparent": CLIENT}
            )
            assert booked.status_code == 201, booked.text
            refused = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
            assert refused.status_code == 409, refused.text
        deadline = time.monotonic() + SOON_S
        while not any(span.name == "send e-mail" for span in collector.spans):
            assert time.monotonic() < deadline, collector.spans
            await asyncio.sleep(0.2)
        verified = instance.command("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        assert instance.stop() == 0
    trace = [span for span in collector.spans if span.trace_id == "5e" * 16]
    by_service = {
        ("aisle-gateway", "POST BookSeats"): "a7" * 8,
        ("aisle-seat-worker", "commit batch"): "POST BookSeats",
        ("aisle-seat-worker", "publish"): "commit batch",
        ("aisle-notifier", "send e-mail"): "publish",
    }
    assert {(span.service, span.name) for span in trace} == set(by_service)
    assert len(trace) == len(by_service)
    ids = {span.name: span.span_id for span in trace}
    for span in trace:
        wanted = by_service[span.service, span.name]
        assert span.parent_id == ids.get(wanted, wanted), span.name
    (request,) = (span for span in trace if span.service == "aisle-gateway")
    assert request.attributes["http.response.status_code"] == 201
    others = {span.trace_id for span in collector.spans} - {"5e" * 16}
    assert len(others) == 1, "the refused request has a trace of its own"
    assert {span.name for span in collector.spans if span.trace_id in others} == {
        "POST BookSeats", "commit batch", "publish",
    }  # fmt: skip
