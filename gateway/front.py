"""The one ASGI application: the hot routes first, the framework behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.failures import problem_for
from gateway.hot import HotRoutes
from gateway.http import Exchange, Receive, Scope, Send, request_id_of

App = Callable[[Any, Any, Any], Awaitable[None]]

_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]


class Front:
    """Asks the hot routes whether a request is theirs and gives the framework what is not."""

    def __init__(self, hot: HotRoutes, cold: App) -> None:
        self._hot = hot
        self._cold = cold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not await self._hot(scope, receive, send):
                await self._ask_framework(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _ask_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), *_ALWAYS]
            await send(message)

        try:
            await self._cold(scope, receive, answer)
        except Exception as error:
            problem = problem_for(error, request_id.decode(), method, scope["path"])
            if started:
                raise
            await Exchange(scope, receive, send).refuse(problem)
