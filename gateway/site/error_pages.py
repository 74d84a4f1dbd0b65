"""Error pages: what a browser gets in place of a problem document.

Only for pages: calls of the API, and clients that do not ask for HTML, get the problem itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.http.encodings import accepted_encoding
from gateway.http.exchange import App, Receive, Scope, Send
from gateway.site.languages import language_for
from gateway.site.rendering import Renderer
from gateway.site.responses import HTML, POLICY, compress

_REPLACED = (b"content-type", b"content-length", b"content-security-policy", b"x-frame-options", b"vary")


class ErrorPages:
    """Wraps an application: problems on the way to a browser become pages."""

    def __init__(self, app: App, renderer: Renderer) -> None:
        self._app = app
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] | None = None
        body = b""

        async def send_page(message: dict[str, Any]) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._send_page(scope, start, body, send)

        await self._app(scope, receive, send_page)

    async def _send_page(self, scope: Scope, start: dict[str, Any], problem: bytes, send: Send) -> None:
        request = dict(scope["headers"])
        language = language_for(scope["query_string"], request)
        page = self.page(start["status"], problem, language)
        encoding = accepted_encoding(request.get(b"accept-encoding", b""))
        headers = [header for header in start["headers"] if header[0].lower() not in _REPLACED]
        headers += [
            (b"content-security-policy", POLICY),
            (b"x-frame-options", b"DENY"),
            (b"vary", b"Accept, Accept-Encoding, Accept-Language, Cookie"),
            (b"content-type", HTML),
        ]
        if encoding:
            page = compress(page, encoding)
            headers.append((b"content-encoding", encoding))
        headers.append((b"content-length", b"%d" % len(page)))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": page})

    def page(self, status: int, problem: bytes, language: str) -> bytes:
        """The page of a problem document."""
        document = msgspec.json.decode(problem, type=dict[str, Any]) if problem else {}
        return self._renderer.render(
            "error.html",
            language,
            status=status,
            code=document.get("code", ""),
            request_id=document.get("request_id"),
        )


def _wants_page(scope: Scope) -> bool:
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith("/api/"):
        return False
    return any(name == b"accept" and b"text/html" in value.lower() for name, value in scope["headers"])


def _is_problem(start: dict[str, Any]) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"application/problem+json")
        for name, value in start["headers"]
    )
