"""What the generator sends: request bytes made beforehand, with only the varying parts put in.

A source gives one request at a time; each kind of load is a source of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec


class FreshSeats(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Book one seat that nobody has asked for yet, round the shows, each with a key of its own.

    A show here is numbered seats: `(show_id, first, last)`, both included.
    """

    shows: tuple[tuple[int, int, int], ...]
    key_prefix: str

    @property
    def seats(self) -> int:
        """How many requests there are in it. Going round, the show with the fewest seats ends it."""
        return len(self.shows) * min((last - first + 1 for _, first, last in self.shows), default=0)


class OneRequest(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The same request over and over."""

    method: str
    path: str
    body: str


Asks = FreshSeats | OneRequest

Source = Callable[[int], bytes | None]
"""connection number → the whole next request of that connection, or None when nothing is left."""


def source_of(asks: Asks, host: str, tokens: Sequence[str]) -> Source:
    """The requests for `asks`. Connection n speaks for the customer with token n, going round."""
    match asks:
        case FreshSeats():
            return _fresh_seats(asks, host, tokens)
        case OneRequest():
            return _one_request(asks, host, tokens)


def _fresh_seats(asks: FreshSeats, host: str, tokens: Sequence[str]) -> Source:
    paths = [f"POST /api/shows/{show_id}/bookings HTTP/1.1\r\n".encode() for show_id, _, _ in asks.shows]
    firsts = [first for _, first, _ in asks.shows]
    middles = [
        f"Host: {host}\r\n{_authorization(token)}Content-Type: application/json\r\n"
        f"Idempotency-Key: {asks.key_prefix}-".encode()
        for token in tokens
    ]
    taken, total, among = 0, asks.seats, len(asks.shows)

    def take(connection: int) -> bytes | None:
        nonlocal taken
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


def _one_request(asks: OneRequest, host: str, tokens: Sequence[str]) -> Source:
    body = asks.body.encode()
    requests = [
        f"{asks.method} {asks.path} HTTP/1.1\r\nHost: {host}\r\n{_authorization(token)}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for token in tokens
    ]
    return lambda connection: requests[connection % len(requests)]


def _authorization(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""
