"""Metrics: counters, exposition, and merging the expositions of several processes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.commands.pending import PendingRequests
from gateway.limits.admission import AdmissionControl
from gateway.metrics import LABEL_KEY, GatewayMetrics, framework_label
from runtime.metrics import Histogram, counter, exposition, gauge, histogram, joined
from runtime.metrics_server import serve_child_metrics, serve_metrics
from runtime.process import CannotStart
from runtime.settings import Settings


class Some:
    """Metrics with one family of each kind."""

    async def metrics(self) -> AsyncIterator[Metric]:
        sizes = Histogram((1, 10))
        for value in (1, 2, 10, 11):
            sizes.observe(value)
        yield counter("a_counter", "Counted.", ["kind"], {("x",): 3})
        yield gauge("a_gauge", "Now.", [], {(): 1.5})
        yield histogram("a_histogram", "Sizes.", ["of"], {("all",): sizes})


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_every_sample_is_labelled_with_its_process() -> None:
    found = samples(await exposition(Some(), "gateway-1"))
    assert found[sample("a_counter_total", kind="x", process="gateway-1")] == 3
    assert found[sample("a_gauge", process="gateway-1")] == 1.5
    assert found[sample("process_open_fds", process="gateway-1")] > 2
    buckets = {
        le: found[sample("a_histogram_bucket", le=le, of="all", process="gateway-1")]
        for le in ("1", "10", "+Inf")
    }
    assert buckets == {"1": 1, "10": 3, "+Inf": 4}
    assert found[sample("a_histogram_sum", of="all", process="gateway-1")] == 24


async def test_slow_families_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Some):
        async def metrics(self) -> AsyncIterator[Metric]:
            yield gauge("a_gauge", "Now.", [], {(): 1})
            await asyncio.Event().wait()

    monkeypatch.setattr("runtime.metrics._SCRAPE_S", 0.01)
    assert samples(await exposition(Slow(), "p"))[sample("a_gauge", process="p")] == 1


async def test_joined_expositions_have_each_family_once() -> None:
    texts = [await exposition(Some(), name) for name in ("one", "two")]
    text = joined(texts)
    for kind in ("a_counter_total counter", "a_gauge gauge", "a_histogram histogram"):
        assert text.count(b"# TYPE " + kind.encode() + b"\n") == 1
    found = samples(text)
    assert found == samples(texts[0]) | samples(texts[1])
    assert len(found) == len(samples(texts[0])) + len(samples(texts[1]))


@pytest.fixture
def with_port(settings: Callable[..., Settings]) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return settings(metrics_port=free.getsockname()[1])


async def test_a_single_process_serves_metrics_on_the_port(with_port: Settings) -> None:
    url = f"http://127.0.0.1:{with_port.metrics_port}"
    async with serve_metrics(with_port, "gateway", Some()), httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/metrics?x=1")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert samples(answer.content)[sample("a_gauge", process="gateway")] == 1.5
        head = await client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", with_port.metrics_port)


async def test_an_endless_request_head_is_rejected(with_port: Settings) -> None:
    async with serve_metrics(with_port, "gateway", Some()):
        reader, writer = await asyncio.open_connection("127.0.0.1", with_port.metrics_port)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()


async def test_a_metrics_port_in_use_is_named_with_its_setting(with_port: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", with_port.metrics_port)),
        pytest.raises(
            CannotStart,
            match=rf"AISLE_METRICS_PORT={with_port.metrics_port}: this port of 127.0.0.1 is in use",
        ),
    ):
        async with serve_metrics(with_port, "gateway", Some()):
            pass


async def test_a_supervisor_serves_the_metrics_of_its_children(with_port: Settings) -> None:
    supervisor = os.getpid()

    def child(name: str) -> Any:
        own = msgspec.structs.replace(with_port, supervisor=supervisor, process=name)
        return serve_metrics(own, "gateway", Some())

    url = f"http://127.0.0.1:{with_port.metrics_port}/metrics"
    names = ["gateway-1", "gateway-2", "notifier"]
    async with serve_child_metrics(with_port, supervisor, lambda: names), httpx.AsyncClient() as client:
        async with child("gateway-1"), child("gateway-2"):
            found = samples((await client.get(url)).content)
            up = {name: found[sample("aisle_process_up", process=name)] for name in names}
            assert up == {"gateway-1": 1, "gateway-2": 1, "notifier": 0}
            assert found[sample("a_counter_total", kind="x", process="gateway-2")] == 3
            assert sample("process_open_fds", process="aisle") in found
        found = samples((await client.get(url)).content)
        assert not any(found[sample("aisle_process_up", process=name)] for name in names)
        async with child("gateway-1"):  # started again under its name
            found = samples((await client.get(url)).content)
            assert found[sample("a_gauge", process="gateway-1")] == 1.5


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/api/shows/7/close", "catalogue"),
        ("/api/shows", "catalogue"),
        ("/api/movies/3", "catalogue"),
        ("/api/bookings/0198", "booking"),
        ("/api/users/3", "account"),
        ("/api/token/refresh", "account"),
        ("/api/email/confirm", "account"),
        ("/api/reports/sales", "report"),
        ("/api/checkin", "check_in"),
        ("/api/checkin/undo", "check_in"),
        ("/api/shows/7/checkin", "check_in"),
        ("/health/ready", "probe"),
        ("/", "page"),
        ("/docs", "page"),
        ("/api", "page"),
        ("/api/x/y/z/a/b", "other"),
        ("*", "page"),
    ],
)
def test_requests_to_the_framework_are_labelled_by_group(path: str, label: str) -> None:
    assert framework_label(path) == label


async def test_open_requests_and_sockets_are_counted() -> None:
    admission = AdmissionControl(10, 10, 10)
    gateway_metrics = GatewayMetrics(PendingRequests(), admission, Histogram((1,)))
    inside: list[dict[Any, float]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        admission.admit(1, 1)
        inside.append(samples(await exposition(gateway_metrics, "g")))
        admission.release(1, 1)
        if scope["path"] == "/api/me":
            raise RuntimeError
        if scope["type"] == "http":
            scope[LABEL_KEY] = "book"  # as the dispatcher does for a fast route
            await send({"type": "http.response.start", "status": 201, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        pass

    counted = gateway_metrics.instrumented(app)
    await counted({"type": "http", "method": "POST", "path": "/api/shows/1/bookings"}, None, send)
    await counted({"type": "websocket", "path": "/api/shows/1/live"}, None, send)
    with pytest.raises(RuntimeError):
        await counted({"type": "http", "method": "GET", "path": "/api/me"}, None, send)
    assert inside[0][sample("aisle_requests_open", process="g")] == 1
    assert inside[0][sample("aisle_commands_in_flight", process="g")] == 1
    assert inside[1][sample("aisle_sockets", kind="show", process="g")] == 1
    found = samples(await exposition(gateway_metrics, "g"))
    assert found[sample("aisle_requests_total", route="book", status="201", process="g")] == 1
    assert found[sample("aisle_requests_total", route="account", status="500", process="g")] == 1
    assert found[sample("aisle_request_seconds_count", route="book", process="g")] == 1
    assert found[sample("aisle_requests_open", process="g")] == 0
    assert found[sample("aisle_sockets", kind="show", process="g")] == 0
