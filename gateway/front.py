"""The one ASGI application: the hot routes first, the framework behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.addresses import ADDRESS, Addresses
from gateway.failures import nothing_here, problem_for
from gateway.hot import HotRoutes
from gateway.http import Exchange, Receive, Scope, Send, request_id_of
from gateway.live.routes import LiveRoutes, not_http
from gateway.problems import Problem
from gateway.rate_limits import Limit
from gateway.security_headers import with_policy
from gateway.whole_answers import SCOPE_KEY

App = Callable[[Any, Any, Any], Awaitable[None]]

_PROBES = "/health/"
# The framework's own OPTIONS names the methods of one handler; a method that it does not know, it tells all.
_ASKED = {"HEAD": "GET", "OPTIONS": "TRACE"}


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
            elif "//" in scope["path"]:
                # The framework would pass over the empty part and answer for another address.
                await Exchange(scope, receive, send).refuse(nothing_here())
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
            "method": _ASKED.get(method, method),
        }
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
            await self._cold(scope, receive, answer)
        except Exception as error:
            problem = problem_for(error, request_id.decode(), method, scope["path"])
            if started:
                raise
            await Exchange(scope, receive, send).refuse(problem)
