"""What every request comes to first: the hot routes, then the framework; sockets go to the live routes.

A hot route is reached in two ways, by the same handlers: by ASGI, as everything else, and for a whole request of a
quiet connection the short way (server/http_protocol.py).
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from gateway.fast_routes import HotRoute, HotRoutes
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
from gateway.metrics import GatewayMetrics, route_of

_PROBES = "/health/"
# The framework's own OPTIONS names the methods of one handler; a method that it does not know, it tells all.
_ASKED = {"HEAD": "GET", "OPTIONS": "TRACE"}
_WITH_BODY = ("POST", "DELETE")


class Front:
    """The ASGI application. `limit` is how often an address may ask; probes always may."""

    def __init__(
        self, hot: HotRoutes, live: LiveRoutes, cold: App, addresses: ClientAddresses, limit: RateLimit
    ) -> None:
        self._hot = hot
        self._live = live
        self._cold = cold
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
                await _refuse(problem, scope, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Problem where nothing has been answered yet."""
        path = scope["path"]
        scope[ADDRESS_KEY] = address = self._client_address(scope["client"], scope["headers"])
        if not path.startswith(_PROBES):
            self._limit.spend(address)
        route = self._hot.find(scope["method"], path)
        if route is not None:
            await self._serve_hot(route, scope, receive, send)
        elif self._live.serves(path):
            raise not_http()
        elif "//" in path:
            # The framework would pass over the empty part and answer for another address.
            raise unknown_path()
        else:
            await self._ask_framework(scope, receive, send)

    async def _serve_hot(self, route: HotRoute, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        told: asyncio.Future[tuple[int, list[Header], bytes]] = asyncio.get_running_loop().create_future()

        def tell(status: int, headers: list[Header], body: bytes) -> None:
            if not told.done():  # else the server has stopped waiting
                told.set_result((status, headers, body))

        exchange = Exchange(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            body=await read_body(headers, receive) if scope["method"] in _WITH_BODY else b"",
            client=scope["client"],
            respond=tell,
        )
        self._hot.take(route, exchange)
        await _send(send, *await told)

    async def _ask_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = request_id_of(given)
        method = scope["method"]
        # uvicorn leaves the body of an answer to HEAD out by itself.
        asked = {**scope, "aisle.request_id": request_id.decode(), "method": _ASKED.get(method, method)}
        started = told_methods = False

        async def answer(message: dict[str, Any]) -> None:
            nonlocal started, told_methods
            if message["type"] == "http.response.start":
                started = True
                if method == "OPTIONS" and message["status"] == 405:
                    message["status"], told_methods = 204, True
                    message["headers"] = [header for header in message["headers"] if header[0] == b"allow"]
                message["headers"] = [*with_policy(message["headers"]), (b"x-request-id", request_id)]
            elif told_methods:
                message["body"] = b""
            await send(message)

        try:
            await self._cold(asked, receive, answer)
        except Exception as error:
            problem = problem_for(error, request_id.decode(), method, scope["path"])
            if started:
                raise
            await _refuse(problem, scope, send)


class _Taken(NamedTuple):
    route: HotRoute
    kind: str
    """As what it is counted."""


class ShortWay:
    """Takes whole requests of hot routes from the connections themselves.

    With `other_sites`, requests of browsers' pages go by ASGI, where their answers get the headers that allow it.
    """

    _METHODS = (b"GET", b"POST", b"DELETE")
    _MAX_KNOWN = 10_000
    _MAX_KNOWN_TARGET = 64
    """Bytes: the longest target below a show is shorter, and an unknown one is any."""

    def __init__(
        self,
        hot: HotRoutes,
        addresses: ClientAddresses,
        limit: RateLimit,
        metrics: GatewayMetrics,
        *,
        other_sites: bool,
    ) -> None:
        self._hot = hot
        self._client_address = addresses.client_address
        self._limit = limit
        self._metrics = metrics
        self._other_sites = other_sites
        self._known: dict[tuple[bytes, bytes], _Taken] = {}
        """Routes by method and target, of those that many ask for: what is below a show."""

    def find(self, method: bytes, target: bytes, headers: Headers) -> _Taken | None:
        """The hot route of a request; None where it has to go by ASGI."""
        if self._other_sites and b"origin" in headers:
            return None
        taken = self._known.get((method, target))
        if taken is None:
            taken = self._look_for(method, target)
        return taken

    def _look_for(self, method: bytes, target: bytes) -> _Taken | None:
        path = target.partition(b"?")[0]
        if method not in self._METHODS or not path.startswith(b"/api/") or not _is_plain(target):
            return None
        route = self._hot.find(method.decode(), path.decode())
        if route is None:
            return None
        taken = _Taken(route, route_of(method.decode(), path.decode()))
        if len(target) <= self._MAX_KNOWN_TARGET and target.startswith(b"/api/shows/") and b"?" not in target:
            if len(self._known) >= self._MAX_KNOWN:
                self._known.clear()
            self._known[method, target] = taken
        return taken

    def turned_away(self, taken: _Taken) -> EncodedProblem | None:
        """Why nothing of this kind is taken now, whatever the request says."""
        gate = taken.route.gate
        refusal = None if gate is None else gate()
        if refusal is not None:
            self._metrics.request_rejected(taken.kind, refusal.status)
        return refusal

    def take(self, taken: _Taken, exchange: Exchange) -> None:
        """Answers the request, now or later."""
        self._metrics.request_started()
        try:
            self._limit.spend(self._client_address(exchange.client, exchange.headers.items()))
        except Problem as problem:
            exchange.respond_problem(problem)
        else:
            self._hot.take(taken.route, exchange)

    def answered(self, taken: _Taken, status: int, took_s: float) -> None:
        """Counts an answer."""
        self._metrics.request_finished(taken.kind, status, took_s)


def _is_plain(target: bytes) -> bool:
    """Whether an address reads as it is written."""
    return target.isascii() and b"%" not in target.partition(b"?")[0] and b"#" not in target


async def _send(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(problem: Problem, scope: Scope, send: Send) -> None:
    answers: list[tuple[int, list[Header], bytes]] = []
    Exchange(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers=dict(scope["headers"]),
        body=b"",
        client=scope["client"],
        respond=lambda *answer: answers.append(answer),
    ).respond_problem(problem)
    await _send(send, *answers[0])
