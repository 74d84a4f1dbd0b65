"""A table on its way to a client: read by a task of its own that keeps the database connection for a bounded time.

The task is one piece ahead of the client. It ends when the table is read, when the client has gone, when the client
takes no piece for a while, and when the whole takes too long. So no client can keep the connection or the place of
a report, whatever becomes of its own connection. A table that ends early is never completed: the client sees that
the transfer is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from litestar.response import Stream

from runtime.postgres import AWAY

PIECE_WITHIN_S = 30.0
"""A client that does not take the next piece within this time gets no more."""
TABLE_WITHIN_S = 300.0
"""A table that is not read and taken within this time is cut."""

_log = structlog.get_logger()


class TableCut(Exception):
    """A table ends early. The message says why."""


class Table:
    """The pieces of a table, in order. Reading begins at once, so `close` has to be called."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._read: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._reading = asyncio.create_task(self._read_all(pieces), name="report table")

    async def _read_all(self, pieces: AsyncGenerator[bytes, None]) -> None:
        limit = asyncio.timeout(TABLE_WITHIN_S)
        try:
            async with limit, contextlib.aclosing(pieces):
                async for piece in pieces:
                    await self._hand_on(piece)
        except TimeoutError:
            if limit.expired():
                raise TableCut(f"it took longer than {TABLE_WITHIN_S:.0f} s") from None
            raise

    async def _hand_on(self, piece: bytes) -> None:
        limit = asyncio.timeout(PIECE_WITHIN_S)
        try:
            async with limit:
                await self._read.put(piece)
        except TimeoutError:
            raise TableCut(f"the client took nothing for {PIECE_WITHIN_S:.0f} s") from None

    async def piece(self) -> bytes | None:
        """The next piece; None after the last one. Raises what ended the reading early."""
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
        """Ends the reading, wherever it is. The connection and the place are free when this returns."""
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        if not self._reading.cancelled():
            self._reading.exception()  # whoever wanted to know it has asked


class TableAnswer(Stream):
    """An answer with a table, whose first piece was read already."""

    def __init__(self, first: bytes, table: Table, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(_pieces(first, table), media_type=media_type, headers=headers)
        self._table = table

    def to_asgi_response(self, *args: Any, **named: Any) -> Any:
        """The answer, which closes the table at its end."""
        answer = super().to_asgi_response(*args, **named)
        table = self._table

        async def send_table(scope: Any, receive: Any, send: Any) -> None:
            try:
                await answer(scope, receive, send)
            except* (TableCut, *AWAY) as errors:
                # The answer stays incomplete, so the server closes the connection without the last chunk.
                error = errors.exceptions[0]
                _log.warning("a report is cut", error=str(error) or type(error).__name__, path=scope["path"])
            finally:
                await table.close()

        return send_table


async def _pieces(first: bytes, table: Table) -> AsyncGenerator[bytes, None]:
    yield first
    while (piece := await table.piece()) is not None:
        yield piece
