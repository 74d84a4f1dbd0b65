"""The fast path: whole requests of frequent routes go from the connection straight to their handlers.

uvicorn makes a scope, a cycle, an event and a task of every request; that is twice what reading and writing it
costs. A request that has come whole, on a connection without other requests, does without. Anything unusual (a body in
pieces or chunks, `Expect`, pipelining, HTTP/1.0, …) goes by ASGI to the same handlers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.http.exchange import MAX_BODY, Exchange
from gateway.http.problems import EncodedProblem

_BY_ASGI = frozenset((b"expect", b"upgrade", b"transfer-encoding", b"connection"))
"""Requests with one of these, other than `Connection: keep-alive`, do not go the fast path."""


class FastPath(Protocol):
    """Runs the routes of whole requests."""

    def find(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> Any | None:
        """The fast route of this request, for `handle`; None for any other request, and for unknown methods."""

    def rejection(self, route: Any) -> EncodedProblem | None:
        """The problem with which a request is rejected before it is parsed; None admits it."""

    def handle(self, route: Any, exchange: Exchange) -> None:
        """Responds to the request, now or later. Raises nothing."""

    def finished(self, route: Any, status: int, took_s: float) -> None:
        """Counts a response."""


class FastRequest:
    """The request of a connection that is on the fast path. One for each connection, used again."""

    __slots__ = ("began_s", "body", "disconnected", "fields", "route")

    def __init__(self) -> None:
        self.disconnected = False
        self.route: Any = None
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.began_s = 0.0


def may_take(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a request with these headers can go the fast path, if there is a route for it."""
    if not _BY_ASGI.isdisjoint(fields) and not _keeps_alive(fields):
        return False
    length = fields.get(b"content-length")
    return length is None or (length.isdigit() and int(length) <= MAX_BODY)


def _keeps_alive(fields: Mapping[bytes, bytes]) -> bool:
    """Whether the only unusual header is `Connection: keep-alive`, which is the default."""
    connection = fields.get(b"connection", b"").lower()
    return connection == b"keep-alive" and sum(name in fields for name in _BY_ASGI) == 1
