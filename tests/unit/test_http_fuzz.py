"""Any bytes, in any pieces, at any time.

Bounds hold, nothing raises, and a response is complete or its connection closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.server import request_bounds
from tests.unit.http_connection import Application, Connection, on_virtual_time

FRAGMENTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /api/movies HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"12345", b"5\r\n", b"12345\r\n", b"0\r\n", b"0\r\n\r\n", b"X: y\r\n", b"\r\n", b"\r\n\r\n", b"\0", b"\xff",
    b"GET ", b"/", b" HTTP/1.1\r\n", b"Host: a\r\n", b"5;", b"x=" + b"y" * 5_000, b"a:\r\n" * 2_000,
    b"X: " + b"a" * 9_000, b"z" * 20_000, b"1\r\nx\r\n" * 500, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 60,
]  # fmt: skip

bytes_ = st.one_of(
    st.sampled_from(FRAGMENTS), st.binary(max_size=40), st.sampled_from(FRAGMENTS).map(lambda one: one[:-3])
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), bytes_, st.integers(1, 40_000)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 1.0, 3.0, 21.0, 61.0, 80.0])),
        st.tuples(st.just("read"), st.integers(1, 100_000)),
        st.tuples(st.sampled_from(["end", "stop reading", "start reading", "drain"])),
    ),
    max_size=25,
)
"""Actions of a client, and once of the gateway: it drains."""


class Responses:
    """The responses that a client reads."""

    def __init__(self, sent: bytes, *, head_only: bool) -> None:
        self.statuses: list[int] = []
        self.whole = 0
        if head_only:
            return  # a response without its body cannot be parsed without its request
        parser = httptools.HttpResponseParser(self)
        self._parser = parser
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        parser.feed_data(sent)

    def on_headers_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        self.whole += 1


async def act(connection: Connection, step: tuple[Any, ...]) -> None:
    match step:
        case ("send", data, at_once):
            for at in range(0, len(data), at_once):
                connection.send(data[at : at + at_once])
                check_bounds(connection)
        case ("wait", seconds):
            await asyncio.sleep(seconds)
        case ("read", size):
            connection.transport.take(size)
        case ("end",):
            if not connection.transport.paused:
                connection.end()
        case ("stop reading",):
            connection.transport.reads = False
        case ("start reading",):
            connection.transport.reads = True
            connection.transport.take(0)
        case ("drain",):
            connection.connections.draining = True
            if not connection.transport.lost:
                connection.protocol.shutdown()
    check_bounds(connection)


def check_bounds(connection: Connection) -> None:
    protocol = connection.protocol
    assert connection.waiting < request_bounds.MAX_UNANSWERED + request_bounds.FEW_HEADS // 18
    assert sum(len(cycle.body) for cycle, _ in protocol.pipeline) <= 3 * request_bounds.MAX_AHEAD
    assert len(protocol._unread) <= 60_000, "what one read brings, and no more is read"
    assert len(protocol.url) <= request_bounds.MAX_HEAD + request_bounds.MAX_PIECE
    assert sum(len(a) + len(b) for a, b in protocol.headers) <= 2 * request_bounds.MAX_HEAD
    assert connection.transport.get_write_buffer_size() <= 2 * 65_536 + len(connection.application.body)


@given(
    steps=steps,
    fast=st.booleans(),
    wait_s=st.sampled_from([0.0, 0.005, 2.0]),
    size=st.sampled_from([5, 30_000]),
)
@example(steps=[("send", FRAGMENTS[0], 1), ("end",)], fast=True, wait_s=2.0, size=5)
@example(steps=[("send", FRAGMENTS[4], 9), ("drain",), ("send", b"12345", 1)], fast=True, wait_s=0.0, size=5)
@example(
    steps=[("stop reading",), ("send", FRAGMENTS[-1], 40_000), ("drain",)],
    fast=False,
    wait_s=0.0,
    size=30_000,
)
def test_any_input_at_any_time_is_answered_or_closed_within_the_limits(
    steps: list[tuple[Any, ...]], fast: bool, wait_s: float, size: int
) -> None:
    async def story() -> None:
        connection = Connection(Application(fast=fast, wait_s=wait_s, size=size))
        for step in steps:
            await act(connection, step)
        await asyncio.sleep(600)
        transport = connection.transport
        assert transport.lost, "a client that does nothing more is not kept for ever"
        heads = any(step[0] == "send" and b"HEAD" in step[1] for step in steps)
        responses = Responses(transport.sent, head_only=heads)
        if not transport.aborted and transport.sent:
            assert responses.whole == len(responses.statuses), "each response that was begun is complete"
        assert set(responses.statuses) <= {100, 200, 400, 408, 414, 431, 501}
        assert connection.connections.total == 0

    on_virtual_time(story)
