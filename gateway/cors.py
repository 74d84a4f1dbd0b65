"""Lets pages of other sites call the API from a browser, where their origins were listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.http import App, Receive, Scope, Send
from runtime.web_address import read_origin

_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, Prefer, X-Request-Id, If-None-Match",
    ),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = (
    b"access-control-expose-headers",
    b"Allow, Content-Disposition, ETag, Idempotency-Replayed, Location, Preference-Applied, Retry-After,"
    b" WWW-Authenticate, X-Request-Id",
)


class Cors:
    """Wraps an application; access is by token, never by cookie, so credentials need no leave.

    That answers vary by Origin is said on all of them (gateway/security_headers.py).
    """

    def __init__(self, app: App, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(read_origin(origin).encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin")
        if scope["type"] != "http" or origin is None or origin.lower() not in self._origins:
            await self._app(scope, receive, send)
            return
        allowed = [(b"access-control-allow-origin", origin)]
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed, _EXPOSED]
            await send(message)

        await self._app(scope, receive, answer)
