"""Spans of a gateway and a seat worker, collected in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.commands.tracing import RequestTracing
from gateway.http.exchange import Exchange
from runtime.process import CannotStart
from runtime.settings import read_settings
from runtime.tracing import Tracing, open_tracing
from schemas.commands import BookSeats, Command
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.trace_context import trace_of, with_trace
from schemas.wire import encode
from seat_workers.fold import DecidedRecord
from seat_workers.publisher import Publisher
from seat_workers.tracing import TracedLedger, TracedPublisher

CLIENT = f"00-{'ab' * 16}-{'cd' * 8}-01".encode()


class Collected:
    """Tracing whose spans are collected."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = Tracing("test", "test-1", self._exporter)

    async def spans(self) -> list[Any]:
        await self.tracing.close()
        return list(self._exporter.get_finished_spans())


def exchange(headers: Mapping[bytes, bytes], statuses: list[int]) -> Exchange:
    return Exchange(
        method="POST", path="/api/shows/7/bookings", query=b"", headers=headers, body=b"", client=None,
        respond=lambda status, headers, body: statuses.append(status),
    )  # fmt: skip


def command(number: int = 1) -> Command:
    return BookSeats(command_id=UUID(int=number), show_id=7, user_id=3, booking_id=UUID(int=2), seats=("A1",))


@pytest.mark.parametrize("status", [201, 500])
async def test_a_sampled_request_is_a_span_until_its_response(status: int) -> None:
    collected = Collected()
    tracing = RequestTracing(collected.tracing, 1.0)
    statuses: list[int] = []
    request = exchange({b"traceparent": CLIENT}, statuses)
    tracing.begin(request, command())
    body = encode(command())
    carried = trace_of(tracing.carried(command().command_id, body))
    assert tracing.carried(UUID(int=9), body) is body, "another request is not traced"
    request.respond(status, b"{}")
    assert statuses == [status]
    assert tracing.carried(command().command_id, body) is body, "nothing is kept after the response"
    (span,) = await collected.spans()
    assert span.name == "POST BookSeats"
    assert span.attributes["http.response.status_code"] == status
    assert span.status.is_ok == (status < 500) or span.status.is_unset
    assert f"{span.context.trace_id:032x}" == "ab" * 16
    assert f"{span.parent.span_id:016x}" == "cd" * 8
    assert carried == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


async def test_requests_are_sampled_by_the_ratio_alone() -> None:
    collected = Collected()
    tracing = RequestTracing(collected.tracing, 0.0)
    request = exchange({b"traceparent": CLIENT}, [])
    tracing.begin(request, command())
    request.respond(200, b"{}")
    assert await collected.spans() == []


def decided(number: int, body: bytes) -> DecidedRecord:
    decision = Decision(Reason.SEAT_TAKEN)
    return DecidedRecord(Position(0, number), 1000, body, command(number), decision, encode(decision), True)


class FakeBatch:
    def __init__(self, records: list[DecidedRecord]) -> None:
        self.decided = records


async def test_a_batch_is_a_span_in_the_trace_of_each_request_linked_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected = Collected()
    failures = [OSError("lost")]

    async def commit(_ledger: object, _batch: object) -> None:
        if failures:
            raise failures.pop()

    async def publish(publisher: Publisher, records: list[DecidedRecord], _versions: Any) -> None:
        published.extend(publisher.events_of(records))

    published: list[tuple[int, bytes]] = []
    monkeypatch.setattr("seat_workers.metrics.MeasuredLedger.commit", commit)
    monkeypatch.setattr("seat_workers.publisher.Publisher.publish", publish)
    monkeypatch.setattr(
        "seat_workers.publisher.events_of", lambda records: [(0, b'{"a":1}') for _ in records]
    )
    ledger = TracedLedger(collected.tracing, None, None)
    publisher = TracedPublisher(collected.tracing, ledger, None, None)  # type: ignore[arg-type]
    traces = [f"00-{n:032x}-{n:016x}-01" for n in (1, 2)]
    bodies = [with_trace(encode(command(n)), trace) for n, trace in enumerate(traces)] + [encode(command(2))]
    batch: Any = FakeBatch([decided(n, body) for n, body in enumerate(bodies)])
    with pytest.raises(OSError, match="lost"):
        await ledger.commit(batch)
    await ledger.commit(batch)
    await publisher.publish(batch.decided, {})
    assert not ledger.committed
    spans = await collected.spans()
    failed, commits, publications = spans[:2], spans[2:4], spans[4:]
    assert [one.name for one in spans] == ["commit batch"] * 4 + ["publish"] * 2
    assert all(one.status.description == "OSError" for one in failed)
    for number, (made, sent) in enumerate(zip(commits, publications, strict=True)):
        assert made.context.trace_id == sent.context.trace_id == number + 1
        assert made.parent.span_id == number + 1
        assert sent.parent.span_id == made.context.span_id
        assert [link.context.trace_id for link in made.links] == [2 - number]
        assert made.attributes["aisle.batch_commands"] == 3
        assert trace_of(published[number][1]) == (
            f"00-{sent.context.trace_id:032x}-{sent.context.span_id:016x}-01"
        )
    assert published[2] == (0, b'{"a":1}')


async def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None
    )
    async with open_tracing(read_settings({}), "gateway") as tracing:
        assert tracing is None
    settings = read_settings({"AISLE_TRACE_URL": "http://127.0.0.1:4318"})
    with pytest.raises(CannotStart, match=r"AISLE_TRACE_URL: OpenTelemetry is not installed; `make tracing`"):
        async with open_tracing(settings, "gateway"):
            pass
