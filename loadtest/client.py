"""One patient HTTP connection for what a benchmark has to set up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Self

import msgspec

from loadtest.bench.generator.responses import Response, ResponseReader

_IDLE_S = 20.0
"""A connection that was not used for so long is not used again: the server may be closing it at this very moment."""


class SetupError(Exception):
    """The benchmark cannot be run; the message says why."""


class Client:
    """Speaks to one server over one keep-alive connection, one request after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        timeout_s: float = 30.0,
    ) -> Response:
        """One request and its answer. Raises OSError when there is none; the next call connects again."""
        content = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if body is not None:
            head += "Content-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\n\r\n"
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(head.encode() + content)
        except BaseException:
            self.close()  # what is left on the connection belongs to no request
            raise

    async def _exchange(self, request: bytes) -> Response:
        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        parts = ResponseReader()
        while data := await reader.read(65536):
            if response := parts.feed(data):
                self._used_at = time.monotonic()
                return response
        raise ConnectionResetError(f"{self._host}:{self._port} closed the connection without an answer")

    async def ask(self, method: str, path: str, *, token: str, body: Mapping[str, Any] | None = None) -> Any:
        """A call that has to succeed; returns the decoded body. Raises SetupError with the problem else."""
        response = await self.call(method, path, token=token, body=body)
        if response.status >= 300:
            raise SetupError(
                f"{method} {path}: {response.status} {response.body[:400].decode(errors='replace')}"
            )
        return msgspec.json.decode(response.body) if response.body else None
