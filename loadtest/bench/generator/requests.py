"""Requests of the generator as bytes, made beforehand; only the varying parts are inserted.

A source returns one request at a time; each kind of load has a source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from loadtest.bench.generator.responses import Response

_LOCATION = re.compile(rb"\r\nlocation: (\S+)\r\n", re.IGNORECASE)


class FreshSeats(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Books one unused seat per request, shows in rotation, each with its own Idempotency-Key.

    `shows` are numbered seats: `(show_id, first, last)`, both inclusive.
    """

    shows: tuple[tuple[int, int, int], ...]
    key_prefix: str
    hold_first: bool = False
    """Hold each seat, then confirm the booking: two requests per seat."""

    @property
    def seats(self) -> int:
        """Number of requests. In rotation, the show with the fewest seats ends it."""
        return len(self.shows) * min((last - first + 1 for _, first, last in self.shows), default=0)


class OneRequest(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Repeats the same request."""

    method: str
    path: str
    body: str
    headers: dict[str, str] = {}


class SameSeats(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Books the same few seats again and again: the first request gets a seat, all later ones are refused."""

    show_id: int
    seats: int
    """Number of seats; seats 1 to this number are requested in turn."""
    key_prefix: str = ""
    """Prefix of the keys, one per request; empty: no Idempotency-Key."""


Load = FreshSeats | SameSeats | OneRequest

RequestSource = Callable[[int, Response | None], bytes | None]
"""Connection number and its last response → its next request, or None when none is left."""


def request_source(load: Load, host: str, tokens: Sequence[str]) -> RequestSource:
    """Returns the source for `load`. Connection n uses token n, in rotation."""
    match load:
        case FreshSeats():
            return _fresh_seats(load, host, tokens)
        case SameSeats():
            return _same_seats(load, host, tokens)
        case OneRequest():
            return _one_request(load, host, tokens)


def _fresh_seats(load: FreshSeats, host: str, tokens: Sequence[str]) -> RequestSource:
    what = "holds" if load.hold_first else "bookings"
    paths = [f"POST /api/shows/{show_id}/{what} HTTP/1.1\r\n".encode() for show_id, _, _ in load.shows]
    firsts = [first for _, first, _ in load.shows]
    middles = [
        f"Host: {host}\r\n{_authorization(token)}Content-Type: application/json\r\n"
        f"Idempotency-Key: {load.key_prefix}-".encode()
        for token in tokens
    ]
    sent, total, among = 0, load.seats, len(load.shows)

    def next_request(connection: int, last: Response | None) -> bytes | None:
        nonlocal sent
        if load.hold_first and last is not None and last.status == 201:
            return _confirmation(last, middles[connection % len(middles)])
        if sent == total:
            return None
        turn, show = divmod(sent, among)
        body = b'{"seats":["%d"]}' % (firsts[show] + turn)
        request = b"%b%b%d\r\nContent-Length: %d\r\n\r\n%b" % (
            paths[show],
            middles[connection % len(middles)],
            sent,
            len(body),
            body,
        )
        sent += 1
        return request

    return next_request


def _same_seats(load: SameSeats, host: str, tokens: Sequence[str]) -> RequestSource:
    path = f"POST /api/shows/{load.show_id}/bookings HTTP/1.1\r\n"
    heads = [
        f"{path}Host: {host}\r\n{_authorization(token)}Content-Type: application/json\r\n".encode()
        for token in tokens
    ]
    tails = []
    for seat in range(1, load.seats + 1):
        body = b'{"seats":["%d"]}' % seat
        tails.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    key, sent = load.key_prefix.encode(), 0

    def next_request(connection: int, _: Response | None) -> bytes:
        nonlocal sent
        sent += 1
        head, tail = heads[connection % len(heads)], tails[sent % len(tails)]
        return b"%bIdempotency-Key: %b-%d\r\n%b" % (head, key, sent, tail) if key else head + tail

    return next_request


def _confirmation(held: Response, middle: bytes) -> bytes:
    location = _LOCATION.search(held.raw)
    assert location is not None, "a created booking has a Location"
    return b"POST %b/confirm HTTP/1.1\r\n%b%b\r\nContent-Length: 0\r\n\r\n" % (
        location[1],
        middle,
        location[1][-36:],
    )


def _one_request(load: OneRequest, host: str, tokens: Sequence[str]) -> RequestSource:
    body = load.body.encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
    requests = [
        f"{load.method} {load.path} HTTP/1.1\r\nHost: {host}\r\n{_authorization(token)}{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for token in tokens
    ]
    return lambda connection, _: requests[connection % len(requests)]


def _authorization(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""
