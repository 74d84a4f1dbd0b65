"""One HTTP connection without a socket: its responses to all kinds of input, on both ways of serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.server import request_bounds
from gateway.server.connections import MAX_OF_ADDRESS, Connections
from tests.unit.http_connection import Application, Connection, on_virtual_time

GET = b"GET /api/shows/1/seats HTTP/1.1\r\nHost: aisle\r\n\r\n"
POST = b"POST /api/shows/1/bookings HTTP/1.1\r\nHost: aisle\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /api/shows/1/bookings HTTP/1.1\r\nHost: aisle\r\nTransfer-Encoding: chunked\r\n\r\n"

Story = Callable[[Connection, Application], Awaitable[None]]

both_ways = pytest.mark.parametrize("fast", [True, False], ids=["fast", "asgi"])


def run(story: Story, *, fast: bool, wait_s: float = 0.0, size: int = 10) -> None:
    async def told() -> None:
        application = Application(fast=fast, wait_s=wait_s, size=size)
        await story(Connection(application), application)

    on_virtual_time(told)


def statuses(connection: Connection) -> list[int]:
    """The statuses of all responses. Bodies here have no line ends."""
    sent = connection.transport.sent.split(b"HTTP/1.1 ")[1:]
    return [int(response[:3]) for response in sent]


@both_ways
@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"x" * 1000, id="long pieces"),
        pytest.param(b"a:\r\n", id="empty trailers"),
        pytest.param(b"X-A: " + b" " * 500 + b"\r\n", id="blanks"),
    ],
)
def test_endless_trailers_end_the_connection(fast: bool, piece: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(CHUNKED + b"2\r\n{}\r\n0\r\nX: ")
        sent = 0
        while connection.send(piece if piece.startswith(b"x") or sent else b"\r\n" + piece):
            sent += len(piece)
            assert sent <= request_bounds.MAX_HEAD + request_bounds.MAX_PIECE
            await asyncio.sleep(0)
            if statuses(connection):
                break
        assert statuses(connection) == [431]
        assert application.asked == []

    run(story, fast=fast)


@both_ways
def test_an_endless_chunk_extension_ends_the_connection(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(CHUNKED + b"2;x=")
        for _ in range(50):
            connection.send(b"y" * 1000)
        assert (statuses(connection), application.asked) == ([431], [])

    run(story, fast=fast)


@both_ways
def test_a_body_of_many_small_chunks_is_one_body(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(CHUNKED + b"1\r\nx\r\n" * 16_000 + b"0\r\nX: trailer\r\n\r\n")
        await asyncio.sleep(1)
        assert application.asked == [("POST", b"x" * 16_000)]
        assert statuses(connection) == [200]

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize("at_once", [1, 100, 1_000_000])
@pytest.mark.parametrize(
    ("start", "more"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a:\r\n", id="empty headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a:" + b" " * 98 + b"\r\n", id="blanks"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a", id="one header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a", id="a header's name"),
        pytest.param(b"GET /", b"a", id="a target"),
        pytest.param(b"", b"\r\n", id="empty lines"),
    ],
)
def test_an_endless_head_ends_the_connection(fast: bool, at_once: int, start: bytes, more: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        data = start + more * (80_000 // len(more))
        sent = 0
        for at in range(0, len(data), at_once):
            sent += at_once * connection.send(data[at : at + at_once])
            assert sent - at_once <= request_bounds.MAX_HEAD + request_bounds.MAX_PIECE
            if statuses(connection):
                break
            if at_once > 1:
                await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        if sent >= request_bounds.MAX_HEAD:
            assert statuses(connection) == [431]
        assert application.asked == []

    run(story, fast=fast)


@both_ways
def test_a_large_head_within_the_bound_is_answered(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(
            b"X-%d: %b\r\n" % (n, b"y" * 990) for n in range(31)
        )
        assert 30_000 < len(head) < request_bounds.MAX_HEAD
        for request in (head + b"\r\n",) * 3:
            for at in range(0, len(request), 700):
                connection.send(request[at : at + 700])
            await asyncio.sleep(0.1)
        assert statuses(connection) == [200] * 3

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
def test_a_client_that_takes_none_of_its_responses_is_dropped_after_a_minute(fast: bool) -> None:
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
def test_an_idle_connection_with_unsent_bytes_ends_for_good(fast: bool) -> None:
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
def test_half_a_request_is_not_acted_upon_when_its_client_ends(fast: bool, half: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(POST + half)
        connection.end()
        await asyncio.sleep(30)
        assert application.asked == [("POST", b"{}")]
        assert statuses(connection) == [200]
        assert connection.transport.lost

    run(story, fast=fast, wait_s=5)


@both_ways
@pytest.mark.parametrize(
    "host",
    [
        b"http://x", b"a:99999", b"", b"a b", b"user@a", b"a:1:2", b"[::1", b"::1", b"[::1]x", b"[:::1]", b"a:b",
        b"a,b", b"a/b", b"a?", b"a#", b"\xc3\xa9", b"a\\b", b"[fe80::1%25eth0]", b"[1.2.3.4]", b"%zz", b"a" * 300,
        b"<script>", b'"', b"a:-1", b"a: 80", b"a:8 0", b"[]",
    ],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(fast: bool, host: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"GET /api/movies HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        await asyncio.sleep(5)
        assert (statuses(connection), application.asked) == ([400], [])
        assert connection.transport.lost

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    "host",
    [
        b"a", b"a.b", b"a.b.", b"a:80", b"a:", b"1.2.3.4", b"1.2.3.4:65535", b"[::1]", b"[::1]:8080", b"a_b",
        b"xn--bcher-kva.example", b"[2001:db8::1.2.3.4]", b"%C3%A9.example", b"A-1.example \t",
    ],
)  # fmt: skip
def test_a_host_with_or_without_a_port_is_answered(fast: bool, host: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"GET /api/movies HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        await asyncio.sleep(0.1)
        assert statuses(connection) == [200]

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://aisle/api/movies", 200),
        (b"HTTP://aisle:8080/api/movies?x=1", 200),
        (b"http://aisle", 200),
        (b"http://aisle?x", 200),
        (b"http://a:99999/", 400),
        (b"http://user@aisle/", 400),
        (b"http:///", 400),
        (b"http://[::1/", 400),
        (b"ftp://aisle/", 400),
        (b"aisle/api", 400),
        (b"aisle:443", 400),
        (b"*", 400),
        (b"http://a\\b/", 400),
    ],
)
def test_a_target_with_an_authority_has_a_valid_one(fast: bool, target: bytes, status: int) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: aisle\r\n\r\n")
        await asyncio.sleep(0.1)
        assert statuses(connection) == [status]

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"2", 200), (b"2 ", 200), (b" 2\t ", 200), (b"0002", 200),
        (b"+2", 400), (b"2, 2", 400), (b"2,2", 400), (b"-2", 400), (b"0x2", 400), (b"2.0", 400), (b"", 400),
        (b"1_0", 400), ("²".encode(), 400), (b"2 2", 400),
    ],
)  # fmt: skip
def test_both_ways_understand_the_same_lengths(fast: bool, length: bytes, status: int) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + length + b"\r\n\r\n{}")
        await asyncio.sleep(0.1)
        assert statuses(connection) == [status]
        assert application.asked == [("POST", b"{}")] * (status == 200)

    run(story, fast=fast)


@both_ways
def test_what_follows_an_offer_of_another_protocol_is_answered(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        offer = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        connection.send(offer + GET + offer)
        await asyncio.sleep(0.1)
        connection.send(GET)
        await asyncio.sleep(0.1)
        assert statuses(connection) == [200] * 4

    run(story, fast=fast)


@both_ways
def test_a_draining_connection_answers_what_comes_and_closes(fast: bool) -> None:
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
