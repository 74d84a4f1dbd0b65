"""Metrics of a gateway: requests by route and status, latencies, pending commands, open WebSockets."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from prometheus_client.core import Metric

from gateway.commands.pending import PendingRequests
from gateway.http.exchange import App
from gateway.limits.admission import AdmissionControl
from gateway.limits.rejections import Rejections
from runtime.metrics import LATENCY_BUCKETS_S, Histogram, counter, gauge, histogram

_LABELS = {
    "bookings": "booking",
    "commands": "poll",
    "movies": "catalogue",
    "shows": "catalogue",
    "reports": "report",
    "deliveries": "report",
    "checkin": "check_in",
    "webhooks": "webhook",
    **dict.fromkeys(
        ("signup", "login", "logout", "session", "token", "me", "email", "password", "users"), "account"
    ),
}
"""Route labels of the framework's calls, by the group after `/api/`."""

LABEL_KEY = "aisle.route_label"
"""Key of the scope under which the dispatcher stores the label of a fast route."""


def framework_label(path: str) -> str:
    """The route label of a request to the framework: one of a fixed set of words, for any path."""
    parts = path.split("/", 3)
    if len(parts) < 3 or parts[1] != "api":
        return "probe" if len(parts) > 1 and parts[1] == "health" else "page"
    if parts[2] == "shows" and path.endswith("/checkin"):
        return _LABELS["checkin"]
    return _LABELS.get(parts[2], "other")


class GatewayMetrics:
    """Counters of one gateway since its start."""

    def __init__(
        self,
        pending: PendingRequests,
        admission: AdmissionControl,
        decision_s: Histogram,
        rejections: Rejections | None = None,
    ) -> None:
        self._decision_s = decision_s
        self._rejections = rejections
        self._pending = pending
        self._admission = admission
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(LATENCY_BUCKETS_S))
        self._open = 0
        self._sockets: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def instrumented(self, app: App) -> App:
        """Wraps an application so that its requests and WebSockets are counted."""

        async def count(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await self._count_socket(app, scope, receive, send)
                return
            status = 500

            def send_and_note(message: Any) -> Awaitable[None]:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                sent: Awaitable[None] = send(message)
                return sent

            began = time.perf_counter()
            self.request_started()
            try:
                await app(scope, receive, send_and_note)
            finally:
                label = scope.get(LABEL_KEY) or framework_label(scope["path"])
                self.request_finished(label, status, time.perf_counter() - began)

        return count

    def request_started(self) -> None:
        """Counts one more open request."""
        self._open += 1

    def request_rejected(self, label: str, status: int) -> None:
        """Counts a request that admission control rejected before it was opened."""
        self._requests[label, status] += 1

    def request_finished(self, label: str, status: int, took_s: float) -> None:
        """Counts the response to an open request. `label` is that of its route."""
        self._open -= 1
        self._requests[label, status] += 1
        self._seconds[label].observe(took_s)

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
        """The metric families with their current values."""
        yield counter(
            "aisle_requests",
            "Responses, by route and status.",
            ["route", "status"],
            {(route, str(status)): count for (route, status), count in self._requests.items()},
        )
        yield histogram(
            "aisle_request_seconds",
            "Seconds from a request's head to the end of its response.",
            ["route"],
            {(route,): seconds for route, seconds in self._seconds.items()},
        )
        yield gauge("aisle_requests_open", "Requests without a response yet.", [], {(): self._open})
        yield gauge(
            "aisle_commands_in_flight",
            "Undecided commands of this gateway, including those answered 202.",
            [],
            {(): self._admission.total},
        )
        yield gauge(
            "aisle_replies_awaited",
            "Commands whose decision this gateway waits for.",
            [],
            {(): len(self._pending)},
        )
        yield counter(
            "aisle_replies",
            "Decisions that arrived, over Redis or looked up in the database.",
            ["path"],
            {("redis",): self._pending.received, ("looked_up",): self._pending.looked_up},
        )
        yield histogram(
            "aisle_decision_seconds",
            "Seconds from the append of a command to the arrival of its decision at the gateway.",
            [],
            {(): self._decision_s},
        )
        if self._rejections is not None:
            yield counter(
                "aisle_rate_limited",
                "Requests rejected by a rate limit, by limit.",
                ["limit"],
                {(limit,): count for limit, count in self._rejections.by_limit.items()},
            )
        yield gauge("aisle_sockets", "Open WebSockets, by kind.", ["kind"], self._sockets)
