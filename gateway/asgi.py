"""The dispatcher: every request goes to a fast route, a WebSocket or the framework.

A fast route is reached in two ways, with the same handlers: by ASGI, as everything else, and on the fast path, where
a connection hands over a whole request (server/http_protocol.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from gateway.catalogue.large_bodies import AT_END
from gateway.fast_routes import FastRoute, FastRoutes
from gateway.http.client_address import ADDRESS_KEY, ClientAddresses
from gateway.http.errors import problem_for, unknown_path
from gateway.http.exchange import (
    App,
    Exchange,
    Header,
    Headers,
    Receive,
    Scope,
    Send,
    read_body,
    request_id_of,
)
from gateway.http.problems import EncodedProblem, Problem
from gateway.http.security_headers import with_policy
from gateway.limits.rate_limits import RateLimit
from gateway.live.routes import LiveRoutes, not_http
from gateway.metrics import LABEL_KEY, GatewayMetrics

_PROBES = "/health/"
# The framework's own OPTIONS names the methods of one handler. For an unknown method it names those of all.
_FRAMEWORK_METHOD = {"HEAD": "GET", "OPTIONS": "TRACE"}
_WITH_BODY = ("POST", "DELETE")


class Dispatcher:
    """The ASGI application. `limit` is the rate limit of an address; probes have none."""

    def __init__(
        self,
        fast_routes: FastRoutes,
        live: LiveRoutes,
        framework: App,
        addresses: ClientAddresses,
        limit: RateLimit,
    ) -> None:
        self._fast_routes = fast_routes
        self._live = live
        self._framework = framework
        self._client_address = addresses.client_address
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope[ADDRESS_KEY] = self._client_address(scope["client"], scope["headers"])
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._serve(scope, receive, send)
            except Problem as problem:
                await _send_problem(problem, scope, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves an HTTP request. Raises Problem if no response has begun."""
        path = scope["path"]
        scope[ADDRESS_KEY] = address = self._client_address(scope["client"], scope["headers"])
        route = self._fast_routes.find(scope["method"], path)
        if route is not None:
            scope[LABEL_KEY] = route.label
        if not path.startswith(_PROBES):
            self._limit.spend(address)
        if route is not None:
            await self._serve_fast_route(route, scope, receive, send)
        elif self._live.serves(path):
            raise not_http()
        elif "//" in path:
            # The framework would ignore the empty part and serve another path.
            raise unknown_path()
        else:
            await self._serve_framework(scope, receive, send)

    async def _serve_fast_route(self, route: FastRoute, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        response: asyncio.Future[tuple[int, list[Header], bytes]] = asyncio.get_running_loop().create_future()

        def respond(status: int, headers: list[Header], body: bytes) -> None:
            if not response.done():  # otherwise the server no longer waits, and has cancelled it
                response.set_result((status, headers, body))

        exchange = Exchange(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            body=await read_body(headers, receive) if scope["method"] in _WITH_BODY else b"",
            client=scope["client"],
            respond=respond,
        )
        rejection = None if route.rejection is None else route.rejection()
        if rejection is not None:
            exchange.respond_encoded(rejection)
        else:
            self._fast_routes.handle(route, exchange)
        await _send(send, *await response)

    async def _serve_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = request_id_of(given)
        method = scope["method"]
        # uvicorn leaves the body of a response to HEAD out by itself.
        at_end = contextlib.ExitStack()
        changed = {
            "aisle.request_id": request_id.decode(),
            "method": _FRAMEWORK_METHOD.get(method, method),
            AT_END: at_end,
        }
        started = methods_sent = False

        async def send_response(message: dict[str, Any]) -> None:
            nonlocal started, methods_sent
            if message["type"] == "http.response.start":
                started = True
                if method == "OPTIONS" and message["status"] == 405:
                    message["status"], methods_sent = 204, True
                    message["headers"] = [header for header in message["headers"] if header[0] == b"allow"]
                message["headers"] = [*with_policy(message["headers"]), (b"x-request-id", request_id)]
            elif methods_sent:
                message["body"] = b""
            await send(message)

        try:
            with at_end:
                await self._framework({**scope, **changed}, receive, send_response)
        except Exception as error:
            problem = problem_for(error, request_id.decode(), method, scope["path"])
            if started:
                raise
            await _send_problem(problem, scope, send)


class FastPath:
    """Runs fast routes for whole requests that come from the connections themselves.

    With `other_sites`, requests with an Origin go by ASGI, where responses get the CORS headers.
    """

    _METHODS = (b"GET", b"POST", b"DELETE")
    _MAX_CACHED = 10_000
    _MAX_CACHED_TARGET = 64
    """Bytes. Every target below a show is shorter; an unknown target may have any length."""

    def __init__(
        self,
        fast_routes: FastRoutes,
        addresses: ClientAddresses,
        limit: RateLimit,
        metrics: GatewayMetrics,
        *,
        other_sites: bool,
    ) -> None:
        self._fast_routes = fast_routes
        self._client_address = addresses.client_address
        self._limit = limit
        self._metrics = metrics
        self._other_sites = other_sites
        self._cached: dict[tuple[bytes, bytes], FastRoute] = {}
        """Routes by method and target, of targets below a show, which many clients request."""

    def find(self, method: bytes, target: bytes, headers: Headers) -> FastRoute | None:
        """The fast route of a request; None where it has to go by ASGI."""
        if self._other_sites and b"origin" in headers:
            return None
        route = self._cached.get((method, target))
        return self._find(method, target) if route is None else route

    def _find(self, method: bytes, target: bytes) -> FastRoute | None:
        path = target.partition(b"?")[0]
        if method not in self._METHODS or not path.startswith(b"/api/") or not _is_plain(target):
            return None
        route = self._fast_routes.find(method.decode(), path.decode())
        if route is None:
            return None
        if (
            len(target) <= self._MAX_CACHED_TARGET
            and target.startswith(b"/api/shows/")
            and b"?" not in target
        ):
            if len(self._cached) >= self._MAX_CACHED:
                self._cached.clear()
            self._cached[method, target] = route
        return route

    def rejection(self, route: FastRoute) -> EncodedProblem | None:
        """The problem with which load shedding rejects the request now, whatever its content; None admits it."""
        rejection = None if route.rejection is None else route.rejection()
        if rejection is not None:
            self._metrics.request_rejected(route.label, rejection.status)
        return rejection

    def handle(self, route: FastRoute, exchange: Exchange) -> None:
        """Responds to the request, now or later."""
        self._metrics.request_started()
        try:
            self._limit.spend(self._client_address(exchange.client, exchange.headers.items()))
        except Problem as problem:
            exchange.respond_problem(problem)
        else:
            self._fast_routes.handle(route, exchange)

    def finished(self, route: FastRoute, status: int, took_s: float) -> None:
        """Counts a response."""
        self._metrics.request_finished(route.label, status, took_s)


def _is_plain(target: bytes) -> bool:
    """Whether a target needs no decoding."""
    return target.isascii() and b"%" not in target.partition(b"?")[0] and b"#" not in target


async def _send(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    responses: list[tuple[int, list[Header], bytes]] = []
    Exchange(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers=dict(scope["headers"]),
        body=b"",
        client=scope["client"],
        respond=lambda *response: responses.append(response),
    ).respond_problem(problem)
    await _send(send, *responses[0])
