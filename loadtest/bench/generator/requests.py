"""What the generator sends: request bytes made beforehand, with only the varying parts put in.

A source gives one request at a time; each kind of load is a source of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from loadtest.bench.generator.responses import Answer

_LOCATION = re.compile(rb"\r\nlocation: (\S+)\r\n", re.IGNORECASE)


class FreshSeats(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Book one seat that nobody has asked for yet, round the shows, each with a key of its own.

    A show here is numbered seats: `(show_id, first, last)`, both included.
    """

    shows: tuple[tuple[int, int, int], ...]
    key_prefix: str
    hold_first: bool = False
    """Hold each seat and, when that is answered, confirm the booking: two requests a seat."""

    @property
    def seats(self) -> int:
        """How many requests there are in it. Going round, the show with the fewest seats ends it."""
        return len(self.shows) * min((last - first + 1 for _, first, last in self.shows), default=0)


class OneRequest(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The same request over and over."""

    method: str
    path: str
    body: str
    headers: dict[str, str] = {}


class SameSeats(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Book one seat of a few, over and over: the first to ask gets it, everybody else is refused."""

    show_id: int
    seats: int
    """Numbered seats 1 to so many, asked for in turn."""
    key_prefix: str = ""
    """Of the keys, one for each request; empty: requests go without."""


Asks = FreshSeats | SameSeats | OneRequest

Source = Callable[[int, Answer | None], bytes | None]
"""Connection number and its last answer → its whole next request, or None when nothing is left."""


def source_of(asks: Asks, host: str, tokens: Sequence[str]) -> Source:
    """The requests for `asks`. Connection n speaks for the customer with token n, going round."""
    match asks:
        case FreshSeats():
            return _fresh_seats(asks, host, tokens)
        case SameSeats():
            return _same_seats(asks, host, tokens)
        case OneRequest():
            return _one_request(asks, host, tokens)


def _fresh_seats(asks: FreshSeats, host: str, tokens: Sequence[str]) -> Source:
    what = "holds" if asks.hold_first else "bookings"
    paths = [f"POST /api/shows/{show_id}/{what} HTTP/1.1\r\n".encode() for show_id, _, _ in asks.shows]
    firsts = [first for _, first, _ in asks.shows]
    middles = [
        f"Host: {host}\r\n{_authorization(token)}Content-Type: application/json\r\n"
        f"Idempotency-Key: {asks.key_prefix}-".encode()
        for token in tokens
    ]
    taken, total, among = 0, asks.seats, len(asks.shows)

    def take(connection: int, last: Answer | None) -> bytes | None:
        nonlocal taken
        if asks.hold_first and last is not None and last.status == 201:
            return _confirmation(last, middles[connection % len(middles)])
        if taken == total:
            return None
        turn, show = divmod(taken, among)
        body = b'{"seats":["%d"]}' % (firsts[show] + turn)
        request = b"%b%b%d\r\nContent-Length: %d\r\n\r\n%b" % (
            paths[show],
            middles[connection % len(middles)],
            taken,
            len(body),
            body,
        )
        taken += 1
        return request

    return take


def _same_seats(asks: SameSeats, host: str, tokens: Sequence[str]) -> Source:
    path = f"POST /api/shows/{asks.show_id}/bookings HTTP/1.1\r\n"
    heads = [
        f"{path}Host: {host}\r\n{_authorization(token)}Content-Type: application/json\r\n".encode()
        for token in tokens
    ]
    tails = []
    for seat in range(1, asks.seats + 1):
        body = b'{"seats":["%d"]}' % seat
        tails.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    key, taken = asks.key_prefix.encode(), 0

    def take(connection: int, _: Answer | None) -> bytes:
        nonlocal taken
        taken += 1
        head, tail = heads[connection % len(heads)], tails[taken % len(tails)]
        return b"%bIdempotency-Key: %b-%d\r\n%b" % (head, key, taken, tail) if key else head + tail

    return take


def _confirmation(held: Answer, middle: bytes) -> bytes:
    location = _LOCATION.search(held.raw)
    assert location is not None, "a booking that was made says where it is"
    return b"POST %b/confirm HTTP/1.1\r\n%b%b\r\nContent-Length: 0\r\n\r\n" % (
        location[1],
        middle,
        location[1][-36:],
    )


def _one_request(asks: OneRequest, host: str, tokens: Sequence[str]) -> Source:
    body = asks.body.encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in asks.headers.items())
    requests = [
        f"{asks.method} {asks.path} HTTP/1.1\r\nHost: {host}\r\n{_authorization(token)}{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for token in tokens
    ]
    return lambda connection, _: requests[connection % len(requests)]


def _authorization(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""
