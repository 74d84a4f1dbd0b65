"""HTTP client for the requests that prepare a benchmark. The load itself comes from `bench/generator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec

_IDLE_S = 20.0
"""Idle time after which a connection is not used again: the server may be closing it."""


class SetupError(Exception):
    """The benchmark cannot run; the message gives the reason."""


class Response(NamedTuple):
    """One complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Client of one server: one keep-alive connection, one request after another."""

    def __init__(self, host: str, port: int) -> None:
        self._url = f"http://{host}:{port}"
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._url,
            connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=_IDLE_S),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),  # as the load generator
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """Sends one request and returns its response. Raises OSError without one; the next call reconnects."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                path,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                return Response(response.status, response.headers, await response.read())
        except aiohttp.ClientError as error:
            raise ConnectionError(f"{self._url}: {error}") from error

    async def ask(self, method: str, path: str, *, token: str, body: Mapping[str, Any] | None = None) -> Any:
        """Sends a request that must succeed and returns the decoded body. Raises SetupError otherwise."""
        response = await self.call(method, path, token=token, body=body)
        if response.status >= 300:
            text = response.body[:400].decode(errors="replace")
            raise SetupError(f"{method} {path}: {response.status} {text}")
        return msgspec.json.decode(response.body) if response.body else None
