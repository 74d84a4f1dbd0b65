"""What a client may do to a connection, by hand on a socket: each gets its answers, in order, and nothing stalls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.running import RunningAisle
from tests.e2e.wire import JSON, SOON_S, Customer

CLOSE = "Connection: close"
MOVIES, LOGIN = "/api/movies", "/api/login"
NO_SEAT = b'{"seats":["none"]}'
CHUNKED = "Transfer-Encoding: chunked"
IN_CHUNKS = b'9\r\n{"seats":\r\n9\r\n["none"]}\r\n0\r\n\r\n'


@pytest.fixture
async def customer(laptop: RunningAisle, new_user: Callable[[], int], shows: dict[str, int]) -> Customer:
    if not shows:
        shows["show"] = await laptop.make_show(500)
    return Customer(laptop, new_user(), shows["show"])


@pytest.fixture(scope="module")
def shows() -> dict[str, int]:
    return {}


Made = Callable[[Customer], bytes]


def of_host(host: str, path: str) -> Made:
    """A request for a path, or else the show, with this Host."""
    return lambda c: c.request("GET", path or c.show).replace(b"aisle", host.encode(), 1)


REFUSED: dict[str, tuple[int, str, Made]] = {
    "no length, hot": (411, "length_required", lambda c: c.request("POST", c.book, JSON)),
    "no length, cold": (411, "length_required", lambda c: c.request("POST", LOGIN, JSON)),
    "an empty body": (400, "invalid_json", lambda c: c.sized(c.book, b"")),
    "chunked, hot": (
        400,
        "seat_unknown",
        lambda c: c.request("POST", c.book, JSON, CHUNKED, body=IN_CHUNKS),
    ),
    "chunked, cold": (400, "validation", lambda c: c.request("POST", LOGIN, JSON, CHUNKED, body=IN_CHUNKS)),
    "chunked without end": (
        413,
        "body_too_large",
        lambda c: c.request("POST", c.book, JSON, CHUNKED, body=b"5000\r\n" + b"x" * 0x5000 + b"\r\n"),
    ),
    "a broken chunk": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, JSON, CHUNKED, body=b"12\r\n" + NO_SEAT + b"\r\nno\r\n"),
    ),
    "gzip": (400, "validation", lambda c: c.request("POST", c.book, JSON, "Transfer-Encoding: gzip")),
    "gzip, chunked": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, JSON, "Transfer-Encoding: gzip, chunked", body=IN_CHUNKS),
    ),
    "length and chunks": (400, "validation", lambda c: c.sized(c.book, IN_CHUNKS, CHUNKED)),
    "chunks and length": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, CHUNKED, "Content-Length: 5", body=IN_CHUNKS),
    ),
    "two lengths": (400, "validation", lambda c: c.sized(c.book, NO_SEAT, "Content-Length: 3")),
    "a length below nothing": (400, "validation", lambda c: c.request("POST", c.book, "Content-Length: -1")),
    "a length beyond all": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, f"Content-Length: {10**30}"),
    ),
    "a large length, hot": (
        413,
        "body_too_large",
        lambda c: c.request("POST", c.book, JSON, f"Content-Length: {10**12}"),
    ),
    "a large length, cold": (
        413,
        "body_too_large",
        lambda c: c.request("POST", LOGIN, JSON, f"Content-Length: {10**12}"),
    ),
    "a large length after 100-continue": (
        413,
        "body_too_large",
        lambda c: c.request("POST", c.book, JSON, "Expect: 100-continue", "Content-Length: 20000"),
    ),
    "a header of 1 MiB": (
        431,
        "headers_too_large",
        lambda c: c.request("GET", c.show, "X: " + "a" * 2**20),
    ),
    "headers of 1 MiB": (
        431,
        "headers_too_large",
        lambda c: c.request("GET", c.show, *(f"X-{n}: {'a' * 100}" for n in range(10_000))),
    ),
    "an address of 9 KiB": (414, "uri_too_long", lambda c: c.request("GET", "/" + "a" * 9_000)),
    "a method that there is not": (400, "validation", lambda c: c.request("BOOK", c.show)),
    "a method in lower case": (400, "validation", lambda c: c.request("get", c.show)),
    "another method": (405, "method_not_allowed", lambda c: c.request("PUT", c.show)),
    "no method at all": (400, "validation", lambda c: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "HTTP/2": (400, "validation", lambda c: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a version that there is not": (400, "validation", lambda c: c.request("GET", c.show, version="2.0")),
    "no host": (400, "validation", lambda c: f"GET {c.show} HTTP/1.1\r\n\r\n".encode()),
    "two hosts": (400, "validation", lambda c: c.request("GET", c.show, "Host: other")),
    "two tokens": (400, "validation", lambda c: c.request("GET", "/api/me", c.token)),
    "two keys": (
        400,
        "validation",
        lambda c: c.sized(c.book, NO_SEAT, "Idempotency-Key: a", "Idempotency-Key: b"),
    ),
    **{
        f"the host {host}, {way}": (400, "validation", of_host(host, path))
        for host in ("http://x", "a:99999", "", "a b", "user@a", "a:1:2", "[::1", "\0")
        for way, path in (("hot", ""), ("cold", "/health/live"), ("page", "/"), ("API page", "/docs"))
    },
    "an absolute address with a bad port": (
        400,
        "validation",
        lambda c: c.request("GET", f"http://aisle:99999{c.show}"),
    ),
    "a length with a plus": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, JSON, "Content-Length: +18", body=NO_SEAT),
    ),
    "a list of lengths": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, JSON, "Content-Length: 18, 18", body=NO_SEAT),
    ),
    "a length with a blank after it, hot": (
        400,
        "seat_unknown",
        lambda c: c.request("POST", c.book, JSON, "Content-Length: 18 ", body=NO_SEAT),
    ),
    "a length with a blank after it, cold": (
        400,
        "validation",
        lambda c: c.request("POST", LOGIN, JSON, "Content-Length: 2\t ", body=b"{}"),
    ),
    "endless trailers": (
        431,
        "headers_too_large",
        lambda c: c.request("POST", c.book, JSON, CHUNKED, body=b"0\r\n" + b"a:\r\n" * 20_000),
    ),
    "20,000 empty headers": (
        431,
        "headers_too_large",
        lambda c: c.request("GET", c.show)[:-2] + b"a:\r\n" * 20_000,
    ),
    "a folded header": (400, "validation", lambda c: c.request("GET", c.show, "X-A: b\r\n c")),
    "a space before the colon": (400, "validation", lambda c: c.request("GET", c.show, "X-A : b")),
    "line feeds alone": (400, "validation", lambda c: c.request("GET", c.show).replace(b"\r\n", b"\n")),
    "NUL in a header": (400, "validation", lambda c: c.request("GET", c.show, "X-A: \0")),
    "NUL in the path": (400, "validation", lambda c: c.request("GET", "/api/\0movies")),
    "NUL in the path, in percent": (404, "not_found", lambda c: c.request("GET", c.show + "%00")),
    "bad percent-encoding in the path": (404, "not_found", lambda c: c.request("GET", c.show + "%z")),
    "bad UTF-8 in the path": (404, "not_found", lambda c: c.request("GET", c.show + "%ff")),
    "two slashes": (404, "not_found", lambda c: c.request("GET", "//api/me")),
    "bad percent-encoding in the query": (
        400,
        "validation",
        lambda c: c.request("GET", MOVIES + "?search=%zz"),
    ),
    "bad UTF-8 in the query": (400, "validation", lambda c: c.request("GET", MOVIES + "?search=%ff")),
    "a surrogate in the query": (
        400,
        "validation",
        lambda c: c.request("GET", MOVIES + "?search=%ed%a0%80"),
    ),
    "NUL in the query": (400, "validation", lambda c: c.request("GET", MOVIES + "?search=%00")),
    "a huge number in the path": (404, "not_found", lambda c: c.request("GET", f"/api/shows/{10**100}")),
    "a huge number in the query": (
        400,
        "validation",
        lambda c: c.request("GET", f"/api/me/bookings?limit={10**100}"),
    ),
    "a huge number in the body": (
        400,
        "validation",
        lambda c: c.sized(c.book, b'{"quantity": 1%b}' % (b"0" * 5_000)),
    ),
    "a large float in the body": (400, "validation", lambda c: c.sized(c.book, b'{"quantity": 1e400}')),
    "not a number in the body": (400, "invalid_json", lambda c: c.sized(c.book, b'{"quantity": NaN}')),
    "deep JSON, hot": (400, "invalid_json", lambda c: c.sized(c.book, b'{"seats":' + b"[" * 16_000)),
    "deep JSON, cold": (400, "invalid_json", lambda c: c.sized(LOGIN, b'{"username":' + b"[" * 16_000)),
    "deep JSON in an unknown field": (
        400,
        "validation",
        lambda c: c.sized(c.book, b'{"seats":["1"],"x":' + b"[" * 500 + b"]" * 500 + b"}"),
    ),
    "a lone surrogate, hot": (400, "invalid_json", lambda c: c.sized(c.book, rb'{"seats":["\ud800"]}')),
    "a lone surrogate, cold": (
        400,
        "invalid_json",
        lambda c: c.sized(LOGIN, rb'{"username":"\udfff","password":"x"}'),
    ),
    "NUL in the body": (400, "validation", lambda c: c.sized(c.book, rb'{"seats":["\u0000"]}')),
    "a byte order mark": (400, "invalid_json", lambda c: c.sized(c.book, b"\xef\xbb\xbf" + NO_SEAT)),
    "UTF-16": (400, "invalid_json", lambda c: c.sized(c.book, NO_SEAT.decode().encode("utf-16"))),
    "another type": (
        415,
        "unsupported_media_type",
        lambda c: c.sized(c.book, NO_SEAT).replace(b"application/json", b"application/xml"),
    ),
    "another charset, hot": (
        415,
        "unsupported_media_type",
        lambda c: c.sized(c.book, NO_SEAT).replace(b"/json", b"/json; charset=utf-16"),
    ),
    "another charset, cold": (
        415,
        "unsupported_media_type",
        lambda c: c.sized(LOGIN, b"{}").replace(b"/json", b"/json; charset=utf-16"),
    ),
    "UTF-8 by its name": (
        400,
        "seat_unknown",
        lambda c: c.sized(c.book, NO_SEAT).replace(b"/json", b'/json; charset="UTF-8"'),
    ),
    "no type": (400, "seat_unknown", lambda c: c.sized(c.book, NO_SEAT).replace(JSON.encode(), b"X: y")),
    "HTTP/1.0": (400, "seat_unknown", lambda c: c.sized(c.book, NO_SEAT, version="1.0")),
    "a key twice: the last counts": (
        400,
        "seat_unknown",
        lambda c: c.sized(c.book, b'{"seats":["1"],"seats":["none"]}'),
    ),
}


@pytest.mark.parametrize(("status", "code", "made"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_right_is_told_so(customer: Customer, status: int, code: str, made: Made) -> None:
    answer = await customer.sends(made(customer))
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    live = await customer.sends(customer.request("GET", "/health/live", CLOSE))
    assert live.status == 200


HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([f"X-{number}: a" for number in range(200)], b"", 431, "headers_too_large"),
        (["X: " + "a" * 9000], b"", 431, "headers_too_large"),
        (["Content-Length: 5"], b"hello", 400, "validation"),
        ([CHUNKED], b"0\r\n\r\n", 400, "validation"),
    ],
    ids=["many headers", "a long header", "a body", "chunks"],
)
async def test_a_refused_handshake_ends_the_connection(
    customer: Customer, headers: list[str], body: bytes, status: int, code: str
) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("GET", f"{customer.show}/live", *HANDSHAKE, *headers, body=body))
        answer = await wire.answer()
        assert (answer.status, answer.code) == (status, code)
        assert await wire.closed()


FINE: dict[str, Made] = {
    "an absolute address": lambda c: c.request("GET", f"http://aisle{c.show}"),
    "an absolute address without port": lambda c: c.request("GET", f"http://aisle:{c.show}"),
    "an absolute address of a rare name": lambda c: c.request("GET", f"http://a~i_s%6Ce{c.show}"),
    "an absolute address after a request": lambda c: (
        c.request("GET", "/") + c.request("GET", f"http://[::1]:{c.show}")
    ),
    "a body on GET, hot": lambda c: c.request("GET", c.show, "Content-Length: 2", body=b"{}"),
    "a body on GET, cold": lambda c: c.request("GET", "/health/live", "Content-Length: 2", body=b"{}"),
    "empty lines before": lambda c: b"\r\n\r\n" + c.request("GET", c.show),
    "HTTP/1.0 without a host": lambda c: f"GET {c.show} HTTP/1.0\r\n\r\n".encode(),
    "another protocol offered": lambda c: c.request("GET", c.show, "Connection: Upgrade", "Upgrade: h2c"),
    "a header twice that may be": lambda c: c.request("GET", c.show, "Accept: text/html", "Accept: */*"),
}


@pytest.mark.parametrize("made", FINE.values(), ids=FINE)
async def test_what_is_unusual_but_right_is_answered(customer: Customer, made: Made) -> None:
    assert (await customer.sends(made(customer))).status == 200


async def test_trailers_are_no_headers(customer: Customer) -> None:
    trailers = f"\r\n{customer.token}\r\nIdempotency-Key: k\r\n\r\n".encode()
    body = b'f\r\n{"seats":["1"]}\r\n0' + trailers
    head = f"POST {customer.book} HTTP/1.1\r\nHost: aisle\r\n{JSON}\r\n{CHUNKED}\r\n\r\n".encode()
    assert (await customer.sends(head + body)).code == "unauthenticated"


@pytest.mark.parametrize("path", ["{show}", "{show}/seats", "/api/me/bookings", "/health/live", "/docs"])
async def test_head_is_get_without_its_body(customer: Customer, path: str) -> None:
    path = path.format(show=customer.show)
    async with customer.connect() as wire:
        wire.writer.write(customer.request("HEAD", path) + customer.request("GET", path))
        head, get = await wire.answer(head_only=True), await wire.answer()
        assert (head.status, head.headers["content-length"]) == (get.status, get.headers["content-length"])
        assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/movies", "GET, HEAD, POST, OPTIONS"),
        ("{show}", "GET, HEAD, PATCH, OPTIONS"),
        ("{show}/bookings", "POST, OPTIONS"),
        ("{show}/close", "POST, OPTIONS"),
        ("/api/me", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("/api/users/1", "GET, HEAD, PATCH, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_405_name_the_methods(customer: Customer, path: str, methods: str) -> None:
    path = path.format(show=customer.show)
    options = await customer.sends(customer.request("OPTIONS", path))
    assert (options.status, options.headers["allow"]) == (204, methods)
    other = await customer.sends(customer.request("PUT", path))
    assert (other.status, other.headers["allow"]) == (405, methods)
    assert (await customer.sends(customer.request("OPTIONS", path + "/nothing"))).status in (204, 404)


async def test_pipelined_requests_are_answered_in_their_order(customer: Customer) -> None:
    async with customer.connect() as wire:
        for seat in range(1, 31):
            body = json.dumps({"seats": [str(seat)]}).encode()
            wire.writer.write(
                customer.sized(customer.book, body)
                + customer.request("HEAD", customer.show)
                + customer.request("GET", "/api/me")
                + customer.request("GET", f"{customer.show}/seats")
            )
        for seat in range(1, 31):
            booked = await wire.answer()
            assert (booked.status, json.loads(booked.body)["seats"]) == (201, [str(seat)])
            assert (await wire.answer(head_only=True)).status == 200
            assert (await wire.answer()).status == 404, "there is no such account, only its token"
            assert json.loads((await wire.answer()).body)["states"][seat - 1] == "s"
        wire.writer.write(customer.request("GET", customer.show, CLOSE))
        assert (await wire.answer()).headers["connection"] == "close"
        assert await wire.closed()


async def test_what_was_asked_before_nonsense_is_answered_first(customer: Customer) -> None:
    async with customer.connect() as wire:
        booking = customer.sized(customer.book, b'{"seats":["101"]}')
        wire.writer.write(booking + customer.request("GET", customer.show) + b"nonsense\r\n\r\n")
        assert (await wire.answer()).status == 201
        assert (await wire.answer()).status == 200
        refusal = await wire.answer()
        assert (refusal.status, refusal.code, refusal.headers["connection"]) == (400, "validation", "close")
        assert await wire.closed()


async def test_a_length_that_is_too_short_ends_the_connection(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", customer.book, JSON, "Content-Length: 9", body=NO_SEAT))
        assert (await wire.answer()).code == "invalid_json"
        assert (await wire.answer()).code == "validation"
        assert await wire.closed()


async def test_a_broken_body_behind_a_good_request_is_not_acted_upon(customer: Customer) -> None:
    async with customer.connect() as wire:
        good = customer.sized(customer.book, b'{"seats":["102"]}')
        whole = b'11\r\n{"seats":["103"]}\r\n'
        wire.writer.write(
            good + customer.request("POST", customer.book, JSON, CHUNKED, body=whole + b"nonsense\r\n")
        )
        assert (await wire.answer()).status == 201
        assert (await wire.answer()).code == "validation"
        assert await wire.closed()
    assert await states(customer, 102, 103) == "sa"


async def test_half_a_body_is_never_acted_upon(customer: Customer) -> None:
    async with customer.connect() as wire:
        body = b'{"seats":["104"]}'
        wire.writer.write(customer.request("POST", customer.book, JSON, "Content-Length: 99", body=body))
        wire.writer.write_eof()
        assert await wire.closed()
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", LOGIN, JSON, "Content-Length: 99", body=b"{}"))
        wire.writer.write_eof()
        assert await wire.closed()
    assert await states(customer, 104) == "a"


async def test_who_expects_100_is_told_to_go_on(customer: Customer) -> None:
    for path, body, code in ((customer.book, NO_SEAT, "seat_unknown"), (LOGIN, b"{}", "validation")):
        async with customer.connect() as wire:
            head = customer.request(
                "POST", path, JSON, f"Content-Length: {len(body)}", "Expect: 100-continue"
            )
            for _ in range(2):
                wire.writer.write(head)
                assert (await wire.answer()).status == 100
                wire.writer.write(body)
                assert (await wire.answer()).code == code


async def test_a_body_in_pieces_is_one_body(customer: Customer) -> None:
    async with customer.connect() as wire:
        for byte in customer.sized(customer.book, NO_SEAT):
            wire.writer.write(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert (await wire.answer()).code == "seat_unknown"


@pytest.mark.parametrize("path", ["{book}", LOGIN])
async def test_a_client_that_half_closes_gets_its_response(customer: Customer, path: str) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.sized(path.format(book=customer.book), b'{"seats":["106"]}'))
        wire.writer.write_eof()
        assert (await wire.answer()).status == (201 if "book" in path else 400)
        assert await wire.closed()


async def test_a_connection_goes_on_after_a_refusal_whose_body_came_whole(customer: Customer) -> None:
    async with customer.connect() as wire:
        large = b'{"seats":["' + b"1" * 17_000 + b'"]}'
        wire.writer.write(customer.sized(customer.book, large) + customer.request("GET", customer.show))
        assert (await wire.answer()).code == "body_too_large"
        assert (await wire.answer()).status == 200


async def test_a_refused_body_without_end_does_not_keep_its_connection(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", customer.book, JSON, f"Content-Length: {10**9}"))
        assert (await wire.answer()).code == "body_too_large"
        assert await wire.closed()


async def test_who_goes_away_has_booked_all_the_same(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.sized(customer.book, b'{"seats":["105"]}') * 3)
        await wire.writer.drain()
        wire.writer.transport.abort()
        async with asyncio.timeout(SOON_S):
            while await states(customer, 105) != "s":  # noqa: ASYNC110 (another process decides)
                await asyncio.sleep(0.02)


async def states(customer: Customer, *seats: int) -> str:
    answer = await customer.sends(customer.request("GET", f"{customer.show}/seats"))
    found: Any = json.loads(answer.body)["states"]
    return "".join(found[seat - 1] for seat in seats)


def test_none_of_this_was_a_fault_of_ours(laptop: RunningAisle) -> None:
    logged = laptop.output.read_text()
    assert "request_failed" not in logged
    assert "Exception in ASGI application" not in logged
