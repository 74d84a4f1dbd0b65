"""Streaming of a table to a client by a task that holds the database connection for a bounded time.

The task is one chunk ahead of the client. It ends when the table is complete, when the client disconnects or reads no
chunk for CHUNK_TIMEOUT_S, and after TABLE_TIMEOUT_S. So no client can occupy the connection or the slot of a report for
longer. A table that ends early is not completed: the client sees an aborted transfer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from litestar.response import Stream

from runtime.postgres import UNAVAILABLE

CHUNK_TIMEOUT_S = 30.0
"""Timeout in seconds for a client to read the next chunk."""
TABLE_TIMEOUT_S = 300.0
"""Timeout in seconds for the whole table."""

_log = structlog.get_logger()


class TableAborted(Exception):
    """A table ended early; the message is the reason."""


class Table:
    """The chunks of a table, in order. Reading begins at once, so `close` must be called."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._read: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._reading = asyncio.create_task(self._read_all(chunks), name="report table")

    async def _read_all(self, chunks: AsyncGenerator[bytes, None]) -> None:
        limit = asyncio.timeout(TABLE_TIMEOUT_S)
        try:
            async with limit, contextlib.aclosing(chunks):
                async for chunk in chunks:
                    await self._put(chunk)
        except TimeoutError:
            if limit.expired():
                raise TableAborted(f"it took longer than {TABLE_TIMEOUT_S:.0f} s") from None
            raise

    async def _put(self, chunk: bytes) -> None:
        limit = asyncio.timeout(CHUNK_TIMEOUT_S)
        try:
            async with limit:
                await self._read.put(chunk)
        except TimeoutError:
            raise TableAborted(f"the client read nothing for {CHUNK_TIMEOUT_S:.0f} s") from None

    async def chunk(self) -> bytes | None:
        """The next chunk; None after the last. Raises the error that ended the table early."""
        taking = asyncio.create_task(self._read.get())
        try:
            await asyncio.wait((taking, self._reading), return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
        finally:
            taking.cancel()
        if not self._read.empty():
            return self._read.get_nowait()
        self._reading.result()
        return None

    async def close(self) -> None:
        """Stops reading. The connection and the slot are free when this returns."""
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        if not self._reading.cancelled():
            self._reading.exception()  # marks the exception as retrieved


class TableResponse(Stream):
    """A streaming response with a table whose first chunk has been read."""

    def __init__(self, first: bytes, table: Table, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(_chunks(first, table), media_type=media_type, headers=headers)
        self._table = table

    def to_asgi_response(self, *args: Any, **named: Any) -> Any:
        """The ASGI response, which closes the table at its end."""
        answer = super().to_asgi_response(*args, **named)
        table = self._table

        async def send_table(scope: Any, receive: Any, send: Any) -> None:
            try:
                await answer(scope, receive, send)
            except* (TableAborted, *UNAVAILABLE) as errors:
                # The response stays incomplete, so the server closes the connection without the last chunk.
                error = errors.exceptions[0]
                _log.warning("report_aborted", error=str(error) or type(error).__name__, path=scope["path"])
            finally:
                await table.close()

        return send_table


async def _chunks(first: bytes, table: Table) -> AsyncGenerator[bytes, None]:
    yield first
    while (chunk := await table.chunk()) is not None:
        yield chunk
