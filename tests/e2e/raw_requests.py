"""Requests by hand for the tests of raw HTTP: those that are refused, with status and code, and unusual valid ones."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.wire import JSON, Customer

CLOSE = "Connection: close"
MOVIES, LOGIN = "/api/movies", "/api/login"
NO_SEAT = b'{"seats":["none"]}'
CHUNKED = "Transfer-Encoding: chunked"
IN_CHUNKS = b'9\r\n{"seats":\r\n9\r\n["none"]}\r\n0\r\n\r\n'
MakeRequest = Callable[[Customer], bytes]


def of_host(host: str, path: str) -> MakeRequest:
    """A request for a path, or else the show, with this Host."""
    return lambda c: c.request("GET", path or c.show).replace(b"aisle", host.encode(), 1)


REFUSED: dict[str, tuple[int, str, MakeRequest]] = {
    "no length, fast route": (411, "length_required", lambda c: c.request("POST", c.book, JSON)),
    "no length, framework": (411, "length_required", lambda c: c.request("POST", LOGIN, JSON)),
    "an empty body": (400, "invalid_json", lambda c: c.sized(c.book, b"")),
    "chunked, fast route": (
        400,
        "seat_unknown",
        lambda c: c.request("POST", c.book, JSON, CHUNKED, body=IN_CHUNKS),
    ),
    "chunked, framework": (
        400,
        "validation",
        lambda c: c.request("POST", LOGIN, JSON, CHUNKED, body=IN_CHUNKS),
    ),
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
    "a negative length": (400, "validation", lambda c: c.request("POST", c.book, "Content-Length: -1")),
    "a length of 31 digits": (
        400,
        "validation",
        lambda c: c.request("POST", c.book, f"Content-Length: {10**30}"),
    ),
    "a large length, fast route": (
        413,
        "body_too_large",
        lambda c: c.request("POST", c.book, JSON, f"Content-Length: {10**12}"),
    ),
    "a large length, framework": (
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
    "a method that there is not": (501, "not_implemented", lambda c: c.request("BOOK", c.show)),
    "a method in lower case": (501, "not_implemented", lambda c: c.request("get", c.show)),
    "another method": (405, "method_not_allowed", lambda c: c.request("PUT", c.show)),
    "a TLS handshake": (400, "validation", lambda c: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "HTTP/2": (400, "validation", lambda c: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an unknown version": (400, "validation", lambda c: c.request("GET", c.show, version="2.0")),
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
        for way, path in (
            ("fast route", ""),
            ("framework", "/health/live"),
            ("page", "/"),
            ("API page", "/docs"),
        )
    },
    "an absolute address of another host": (
        400,
        "validation",
        lambda c: c.request("GET", f"http://other{c.show}"),
    ),
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
    "a length with a blank after it, fast route": (
        400,
        "seat_unknown",
        lambda c: c.request("POST", c.book, JSON, "Content-Length: 18 ", body=NO_SEAT),
    ),
    "a length with a blank after it, framework": (
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
    "deep JSON, fast route": (400, "invalid_json", lambda c: c.sized(c.book, b'{"seats":' + b"[" * 16_000)),
    "deep JSON, framework": (400, "invalid_json", lambda c: c.sized(LOGIN, b'{"username":' + b"[" * 16_000)),
    "deep JSON in an unknown field": (
        400,
        "validation",
        lambda c: c.sized(c.book, b'{"seats":["1"],"x":' + b"[" * 500 + b"]" * 500 + b"}"),
    ),
    "a lone surrogate, fast route": (
        400,
        "invalid_json",
        lambda c: c.sized(c.book, rb'{"seats":["\ud800"]}'),
    ),
    "a lone surrogate, framework": (
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
    "another charset, fast route": (
        415,
        "unsupported_media_type",
        lambda c: c.sized(c.book, NO_SEAT).replace(b"/json", b"/json; charset=utf-16"),
    ),
    "another charset, framework": (
        415,
        "unsupported_media_type",
        lambda c: c.sized(LOGIN, b"{}").replace(b"/json", b"/json; charset=utf-16"),
    ),
    "charset UTF-8": (
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
VALID: dict[str, MakeRequest] = {
    "an absolute address": lambda c: c.request("GET", f"http://aisle{c.show}"),
    "an absolute address without port": lambda c: c.request("GET", f"http://aisle:{c.show}"),
    "an absolute address of a rare name": lambda c: c.request("GET", f"http://a~i_s%6Ce{c.show}").replace(
        b"Host: aisle", b"Host: A~I_S%6ce"
    ),
    "an absolute address after a request": lambda c: (
        c.request("GET", "/")
        + c.request("GET", f"http://[::1]:{c.show}").replace(b"Host: aisle", b"Host: [::1]:80")
    ),
    "a body on GET, fast route": lambda c: c.request("GET", c.show, "Content-Length: 2", body=b"{}"),
    "a body on GET, framework": lambda c: c.request("GET", "/health/live", "Content-Length: 2", body=b"{}"),
    "empty lines before the request": lambda c: b"\r\n\r\n" + c.request("GET", c.show),
    "HTTP/1.0 without a host": lambda c: f"GET {c.show} HTTP/1.0\r\n\r\n".encode(),
    "another protocol offered": lambda c: c.request("GET", c.show, "Connection: Upgrade", "Upgrade: h2c"),
    "a repeated header that may be": lambda c: c.request("GET", c.show, "Accept: text/html", "Accept: */*"),
}
