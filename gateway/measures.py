"""What a gateway tells of itself: requests by kind and status, how long they took, what waits, open sockets."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from prometheus_client.core import Metric

from gateway.http import App
from gateway.limit_refusals import Refusals
from gateway.limits import InFlight
from gateway.replies import Replies
from runtime.metrics import Histogram, counter, gauge, histogram

_TIMES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_OF_SHOW = {"bookings": "book", "holds": "hold", "seats": "seat_map"}
_OF_BOOKING = {"confirm": "confirm", "cancel": "cancel", "ticket.pdf": "ticket"}
_OF_API = {
    "bookings": "booking",
    "commands": "poll",
    "movies": "catalogue",
    "shows": "catalogue",
    "reports": "report",
    "checkin": "check_in",
}
_ACCOUNTS = frozenset({"signup", "login", "logout", "token", "me", "password", "users"})


def route_of(method: str, path: str) -> str:
    """The kind of a request: one of a few words, whatever the path."""
    parts = path.split("/", 5)
    if len(parts) < 3 or parts[1] != "api":
        return "probe" if len(parts) > 1 and parts[1] == "health" else "page"
    group, last = parts[2], parts[-1]
    if len(parts) == 5:
        if group == "shows":
            return _OF_SHOW.get(last, "catalogue")
        if group == "bookings":
            return _OF_BOOKING.get(last, "other")
    if last == "bookings" and group in ("me", "users"):
        return "bookings"
    if group == "bookings" and method == "DELETE":
        return "cancel"
    return _OF_API.get(group) or ("account" if group in _ACCOUNTS else "other")


class GatewayMeasures:
    """Counts of one gateway since it started."""

    def __init__(self, replies: Replies, in_flight: InFlight, refusals: Refusals | None = None) -> None:
        self._refusals = refusals
        self._replies = replies
        self._in_flight = in_flight
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(_TIMES_S))
        self._open = 0
        self._sockets: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def counted(self, app: App) -> App:
        """The application, with its requests counted."""

        async def count(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await self._count_socket(app, scope, receive, send)
                return
            status = 500

            def noted(message: Any) -> Awaitable[None]:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                sent: Awaitable[None] = send(message)
                return sent

            began = time.perf_counter()
            self.opened()
            try:
                await app(scope, receive, noted)
            finally:
                route = route_of(scope["method"], scope["path"])
                self.answered(route, status, time.perf_counter() - began)

        return count

    def opened(self) -> None:
        """One more request that is not answered yet."""
        self._open += 1

    def turned_away(self, route: str, status: int) -> None:
        """A request was answered without being looked at."""
        self._requests[route, status] += 1

    def answered(self, route: str, status: int, took_s: float) -> None:
        """One of them is answered. `route`: as `route_of` has it."""
        self._open -= 1
        self._requests[route, status] += 1
        self._seconds[route].observe(took_s)

    async def _count_socket(self, app: App, scope: Any, receive: Any, send: Any) -> None:
        kind = {"shows": "show", "me": "me", "events": "events"}.get(
            scope["path"].split("/", 3)[2:3][0], "other"
        )
        self._sockets[kind,] += 1
        try:
            await app(scope, receive, send)
        finally:
            self._sockets[kind,] -= 1

    async def metrics(self) -> AsyncIterator[Metric]:
        """Families as of now."""
        yield counter(
            "aisle_requests",
            "Requests answered, by kind and status.",
            ["route", "status"],
            {(route, str(status)): count for (route, status), count in self._requests.items()},
        )
        yield histogram(
            "aisle_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            {(route,): seconds for route, seconds in self._seconds.items()},
        )
        yield gauge("aisle_requests_open", "Requests that are not answered yet.", [], {(): self._open})
        yield gauge(
            "aisle_commands_in_flight",
            "Commands of this gateway that are not decided, those answered 202 too.",
            [],
            {(): self._in_flight.total},
        )
        yield gauge(
            "aisle_replies_awaited",
            "Commands that this gateway wants to hear the decision of.",
            [],
            {(): self._replies.awaited},
        )
        yield counter(
            "aisle_replies",
            "Decisions that arrived, over Redis or looked up in the database.",
            ["path"],
            {("redis",): self._replies.heard, ("looked_up",): self._replies.found},
        )
        if self._refusals is not None:
            yield counter(
                "aisle_rate_limited",
                "Requests refused for a rate limit, by limit.",
                ["limit"],
                {(limit,): count for limit, count in self._refusals.by_limit.items()},
            )
        yield gauge("aisle_sockets", "Open WebSockets, by kind.", ["kind"], self._sockets)
