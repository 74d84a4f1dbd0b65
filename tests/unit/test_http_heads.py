"""Heads of requests on one HTTP connection without a socket: hosts, targets, lengths, and heads without end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.server import request_bounds
from tests.unit.http_connection import CHUNKED, Application, Connection, both_ways, run, statuses


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
@pytest.mark.parametrize(
    "host",
    [
        b"http://x", b"a:99999", b"", b"a b", b"user@a", b"a:1:2", b"[::1", b"::1", b"[::1]x", b"[:::1]", b"a:b",
        b"a,b", b"a/b", b"a?", b"a#", b"\xc3\xa9", b"a\\b", b"[fe80::1%25eth0]", b"[1.2.3.4]", b"%zz", b"a" * 300,
        b"<script>", b'"', b"a:-1", b"a: 80", b"a:8 0", b"[]",
    ],
)  # fmt: skip
def test_an_invalid_host_header_is_rejected(fast: bool, host: bytes) -> None:
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
        (b"HTTP://AISLE:80/api/movies?x=1", 200),
        (b"https://aisle:443/api/movies", 200),
        (b"http://aisle:/", 200),
        (b"http://aisle", 200),
        (b"http://other/api/movies", 400),
        (b"http://aisle.other/", 400),
        (b"http://aisle:8080/", 400),
        (b"http://aisle:443/", 400),
        (b"https://aisle:80/", 400),
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
def test_the_authority_of_a_target_is_valid_and_that_of_the_host_header(
    fast: bool, target: bytes, status: int
) -> None:
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
def test_the_both_ways_accept_the_same_lengths(fast: bool, length: bytes, status: int) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + length + b"\r\n\r\n{}")
        await asyncio.sleep(0.1)
        assert statuses(connection) == [status]
        assert application.asked == [("POST", b"{}")] * (status == 200)

    run(story, fast=fast)


@both_ways
def test_a_target_may_have_an_authority_without_a_host_header_in_http_1_0(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(b"GET http://anything/api/movies HTTP/1.0\r\n\r\n")
        await asyncio.sleep(0.1)
        assert statuses(connection) == [200]

    run(story, fast=fast)


@both_ways
def test_the_values_of_a_repeated_header_are_one_list(fast: bool) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(
            b'GET / HTTP/1.1\r\nHost: a\r\nPrefer: handling=lenient\r\nIf-None-Match: "1"\r\n'
            b'prefer: wait=5\r\nIF-NONE-MATCH: W/"2", "3"\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n'
        )
        await asyncio.sleep(0.1)
        assert statuses(connection) == [200]
        assert application.headers == [
            {
                b"host": b"a",
                b"prefer": b"handling=lenient, wait=5",
                b"if-none-match": b'"1", W/"2", "3"',
                b"x-forwarded-for": b"1.2.3.4",
            }
        ]

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    "header",
    [b"Host: a", b"Authorization: x", b"Idempotency-Key: x", b"Content-Type: x", b"Content-Length: 0"],
)
@pytest.mark.parametrize("other", [b"", b"1"], ids=["same", "another"])
def test_a_header_with_one_value_comes_once(fast: bool, header: bytes, other: bytes) -> None:
    async def story(connection: Connection, application: Application) -> None:
        host = b"" if header.startswith(b"Host") else b"Host: a\r\n"
        connection.send(b"POST / HTTP/1.1\r\n" + host + header + b"\r\n" + header + other + b"\r\n\r\n")
        await asyncio.sleep(0.1)
        assert (statuses(connection), application.asked) == ([400], [])

    run(story, fast=fast)


@both_ways
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"PUT / HTTP/1.1", 200),
        (b"TRACE / HTTP/1.1", 200),
        (b"PATCH http://a/ HTTP/1.1", 200),
        (b"BOOK / HTTP/1.1", 501),
        (b"get / HTTP/1.1", 501),
        (b"GETS / HTTP/1.1", 501),
        (b"PROPFIND / HTTP/1.1", 501),
        (b"DESCRIBE / HTTP/1.1", 501),
        (b"A-1.b~ http://a/?x HTTP/1.0", 501),
        (b"BO(OK / HTTP/1.1", 400),
        (b"BO\xc3\x96K / HTTP/1.1", 400),
        (b"BOOK  / HTTP/1.1", 400),
        (b"BOOK /", 400),
        (b"BOOK / HTTP/2.0", 400),
        (b" GET / HTTP/1.1", 400),
        (b"BOOK", 400),
    ],
)
def test_an_unknown_method_is_not_implemented_and_a_malformed_line_is_invalid(
    fast: bool, line: bytes, status: int
) -> None:
    async def story(connection: Connection, application: Application) -> None:
        connection.send(line + b"\r\nHost: a\r\n\r\n")
        await asyncio.sleep(5)
        assert statuses(connection) == [status]
        assert len(application.asked) == (status == 200)
        assert connection.transport.lost == (status != 200)

    run(story, fast=fast)
