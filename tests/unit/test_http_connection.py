"""One HTTP connection without a socket: its responses to all kinds of input, on the fast path and by ASGI."""

from __future__ import annotations

import asyncio

import pytest

from gateway.server import request_bounds
from gateway.server.connections import MAX_OF_ADDRESS, Connections
from tests.unit.http_connection import (
    CHUNKED,
    GET,
    POST,
    Application,
    Connection,
    both_ways,
    on_virtual_time,
    run,
    statuses,
)


@both_ways
def test_a_body_of_many_small_chunks_is_one_body(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(CHUNKED + b"1\r\nx\r\n" * 16_000 + b"0\r\nX: trailer\r\n\r\n")
        await asyncio.sleep(1)
        assert application.asked == [("POST", b"x" * 16_000)]
        assert statuses(connection) == [200]

    run(story, fast=fast)


@both_ways
def test_pipelined_requests_wait_up_to_a_bound_and_nothing_more_is_read(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        sent = 0
        for _ in range(100):
            sent += 50 * connection.send(GET * 50)
            assert connection.waiting <= request_bounds.MAX_UNANSWERED
            await asyncio.sleep(0)
        assert connection.transport.paused
        assert sent <= 150
        while len(application.asked) < sent:
            await asyncio.sleep(1)
            assert connection.waiting <= request_bounds.MAX_UNANSWERED
        await asyncio.sleep(1)
        assert statuses(connection) == [200] * sent
        assert not connection.transport.paused

    run(story, fast=fast, wait_s=0.5)


@both_ways
def test_bodies_of_pipelined_requests_count(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        body = b"x" * 15_000
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15000\r\n\r\n" + body
        sent = sum(connection.send(request) for _ in range(100))
        for _ in range(100):
            await asyncio.sleep(0)
        assert connection.waiting * len(body) < 2 * request_bounds.MAX_AHEAD
        assert sent < 20
        await asyncio.sleep(60)
        assert application.asked == [("POST", body)] * sent

    run(story, fast=fast, wait_s=1)


@both_ways
def test_a_client_that_reads_no_responses_is_dropped_after_a_minute(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.transport.reads = False
        for _ in range(20):
            connection.send(GET * 10)
            await asyncio.sleep(0)
        assert connection.transport.get_write_buffer_size() <= 2 * 65_536 + 30_000
        await asyncio.sleep(request_bounds.STALL_S - 5)
        assert not connection.transport.closed
        await asyncio.sleep(request_bounds.STALL_S / 2)
        assert connection.transport.aborted
        assert connection.transport.lost

    run(story, fast=fast, size=30_000)


@both_ways
def test_a_client_that_reads_slowly_gets_everything(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.transport.reads = False
        connection.send(GET * 8)
        for _ in range(300):
            await asyncio.sleep(10)
            connection.transport.take(2_000)
        assert statuses(connection) == [200] * 8

    run(story, fast=fast, size=30_000)


@both_ways
def test_an_idle_connection_with_unsent_bytes_is_closed_in_the_end(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.transport.reads = False
        connection.send(GET)
        await asyncio.sleep(200)
        assert connection.transport.lost

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize("request_", [GET, POST, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"])
def test_a_client_that_half_closes_gets_its_response(fast: bool, request_: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(request_ * 3)
        connection.end()
        await asyncio.sleep(30)
        assert statuses(connection) == [200] * 3
        assert connection.transport.sent.lower().count(b"connection: close") == 1
        assert connection.transport.lost

    run(story, fast=fast, wait_s=5)


@both_ways
@pytest.mark.parametrize("half", [GET[:30], POST[:-1], CHUNKED + b"2\r\n{}\r\n0\r\n"])
def test_an_incomplete_request_is_not_executed_when_its_client_half_closes(fast: bool, half: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(POST + half)
        connection.end()
        await asyncio.sleep(30)
        assert application.asked == [("POST", b"{}")]
        assert statuses(connection) == [200]
        assert connection.transport.lost

    run(story, fast=fast, wait_s=5)


@both_ways
def test_requests_after_an_ignored_upgrade_are_answered(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        offer = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        connection.send(offer + GET + offer)
        await asyncio.sleep(0.1)
        connection.send(GET)
        await asyncio.sleep(0.1)
        assert statuses(connection) == [200] * 4

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize("at_once", [1, 50, 10_000])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Content-Length: %d\r\n\r\n%b" % (len(GET), GET), id="length"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET), id="chunks"
        ),
    ],
)
def test_the_body_of_a_request_with_an_ignored_upgrade_is_no_request(
    fast: bool, at_once: int, version: bytes, body: bytes
) -> None:
    offer = b"POST / HTTP/%b\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: x\r\n" % version
    data = offer + body + (POST + GET if version == b"1.1" else b"")
    after = [("POST", b"{}"), ("GET", b"")] if version == b"1.1" else []

    async def story(connection: Connection, application: Application) -> None:
        for start in range(0, len(data), at_once):
            connection.send(data[start : start + at_once])
        await asyncio.sleep(1)
        assert application.asked == [("POST", GET), *after]
        assert statuses(connection) == [200] * len(application.asked)
        assert connection.protocol._bounds.unanswered == 0

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    "body", [b"Content-Length: %d\r\n\r\n" % len(GET), b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_a_tunnel_with_a_body_is_rejected_and_the_body_is_no_request(fast: bool, body: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"CONNECT / HTTP/1.1\r\nHost: a\r\n" + body + GET)
        await asyncio.sleep(1)
        assert (statuses(connection), application.asked) == ([400], [])
        assert connection.transport.ended

    run(story, fast=fast)


@both_ways
def test_a_draining_connection_answers_the_next_request_and_closes(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(GET)
        await asyncio.sleep(10)
        connection.connections.draining = True
        connection.protocol.shutdown()
        await asyncio.sleep(1)
        connection.send(GET[:20])
        await asyncio.sleep(5)
        connection.send(GET[20:])
        await asyncio.sleep(5)
        assert statuses(connection) == [200, 200]
        assert connection.transport.sent.lower().count(b"connection: close") == 1
        assert connection.transport.lost

    run(story, fast=fast)


@both_ways
def test_a_draining_connection_that_is_idle_is_closed(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.connections.draining = True
        connection.protocol.shutdown()
        await asyncio.sleep(request_bounds.DRAIN_GRACE_S - 0.1)
        assert not connection.transport.closed
        await asyncio.sleep(0.2)
        assert connection.transport.lost
        late = Connection(application, connection.connections)
        await asyncio.sleep(request_bounds.DRAIN_GRACE_S + 0.1)
        assert late.transport.lost, "one from the backlog, too"

    run(story, fast=fast)


@both_ways
def test_the_last_of_several_pipelined_requests_closes_a_draining_connection(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(GET * 5)
        await asyncio.sleep(0.1)
        connection.connections.draining = True
        connection.protocol.shutdown()
        await asyncio.sleep(20)
        assert statuses(connection) == [200] * 5
        assert connection.transport.sent.lower().count(b"connection: close") == 1
        assert connection.transport.lost

    run(story, fast=fast, wait_s=1)


def test_connections_of_an_address_are_bounded() -> None:
    async def story() -> None:
        connections = Connections(lambda client: client[0] if client else None)
        application = Application(fast=True)
        made = [Connection(application, connections) for _ in range(MAX_OF_ADDRESS + 100)]
        for connection in made:
            connection.send(GET)
        await asyncio.sleep(5)
        assert [statuses(one) for one in made[:MAX_OF_ADDRESS]] == [[200]] * MAX_OF_ADDRESS
        refused = made[MAX_OF_ADDRESS:]
        assert all(one.transport.lost for one in refused)
        assert [statuses(one) for one in refused] == [[429]] * 64 + [[]] * 36
        assert connections.total == MAX_OF_ADDRESS
        made[0].transport.abort()
        await asyncio.sleep(0)
        after = Connection(application, connections)
        after.send(GET)
        await asyncio.sleep(0.1)
        assert statuses(after) == [200]

    on_virtual_time(story)
