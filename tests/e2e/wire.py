"""A connection on which a test writes bytes, and a customer's requests as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import NamedTuple

from tests.e2e.running import RunningAisle

SOON_S = 10
JSON = "Content-Type: application/json"


class Answer(NamedTuple):
    """One response as it was received."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        if self.headers.get("content-type") != "application/problem+json":
            return None
        code: str = json.loads(self.body)["code"]
        return code


class Wire:
    """A connection on which a test writes bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self, *, head_only: bool = False) -> Answer:
        """Reads the next response."""
        async with asyncio.timeout(SOON_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines) if name}
            status = int(first.split(" ")[1])
            bodiless = head_only or status in (100, 204, 304)
            body = b"" if bodiless else await self._reader.readexactly(int(headers["content-length"]))
        return Answer(status, headers, body)

    async def closed(self) -> bool:
        """Returns whether the connection is closed without further input."""
        async with asyncio.timeout(SOON_S):
            return await self._reader.read() == b""


class Customer:
    """Requests of one customer for one show."""

    def __init__(self, aisle: RunningAisle, user_id: int, show_id: int) -> None:
        self.aisle = aisle
        self.show = f"/api/shows/{show_id}"
        self.book = f"{self.show}/bookings"
        self.token = f"Authorization: Bearer {aisle.token(user_id)}"

    def request(
        self, method: str, path: str, *headers: str, body: bytes = b"", version: str = "1.1"
    ) -> bytes:
        lines = [f"{method} {path} HTTP/{version}", "Host: aisle", self.token, *headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def sized(self, path: str, body: bytes, *headers: str, version: str = "1.1") -> bytes:
        length = f"Content-Length: {len(body)}"
        return self.request("POST", path, JSON, length, *headers, body=body, version=version)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.aisle.port, limit=2**22)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def sends(self, data: bytes, *, head_only: bool = False) -> Answer:
        """Returns the first response to these bytes, sent on a new connection."""
        async with self.connect() as wire:
            wire.writer.write(data)
            return await wire.answer(head_only=head_only)
