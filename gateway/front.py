"""The one ASGI application: the hot routes first, the framework behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.addresses import ADDRESS, Addresses
from gateway.failures import problem_for
from gateway.hot import HotRoutes
from gateway.http import Exchange, Receive, Scope, Send, request_id_of
from gateway.live_routes import LiveRoutes, not_http
from gateway.problems import Problem
from gateway.rate_limits import Limit
from gateway.security_headers import with_policy
from gateway.whole_answers import SCOPE_KEY

App = Callable[[Any, Any, Any], Awaitable[None]]

_PROBES = "/health/"


class Front:
    """Asks the hot routes whether a request is theirs and gives the framework what is not; sockets go to `live`.

    `limit` is how often an address may ask; probes always may.
    """

    def __init__(
        self, hot: HotRoutes, live: LiveRoutes, cold: App, addresses: Addresses, limit: Limit
    ) -> None:
        self._hot = hot
        self._live = live
        self._cold = cold
        self._client_address = addresses.client_address
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[ADDRESS] = address = self._client_address(scope)
            try:
                if not scope["path"].startswith(_PROBES):
                    self._limit.spend(address)
            except Problem as problem:
                await Exchange(scope, receive, send).refuse(problem)
                return
            if await self._hot(scope, receive, send):
                return
            if self._live.serves(scope["path"]):
                await Exchange(scope, receive, send).refuse(not_http())
            else:
                await self._ask_framework(scope, receive, send)
        elif scope["type"] == "websocket":
            scope[ADDRESS] = self._client_address(scope)
            await self._live(scope, receive, send)

    async def _ask_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.pop(SCOPE_KEY, None)
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = request_id_of(given)
        method = scope["method"]
        # uvicorn leaves the body of an answer to HEAD out by itself.
        scope = {
            **scope,
            "aisle.request_id": request_id.decode(),
            "method": "GET" if method == "HEAD" else method,
        }
        started = False

        async def answer(message: dict[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*with_policy(message["headers"]), (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._cold(scope, receive, answer)
        except Exception as error:
            problem = problem_for(error, request_id.decode(), method, scope["path"])
            if started:
                raise
            await Exchange(scope, receive, send).refuse(problem)
