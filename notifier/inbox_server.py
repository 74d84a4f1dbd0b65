"""The mail server of embedded mode: accepts every message over SMTP on the loopback address and stores it as a file,
which the gateway shows at `/inbox`.

A file is named `<milliseconds>-<8 hex digits>.eml`, so that names sort by time, and is created atomically. The newest
messages are kept, up to a number and a total size.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MESSAGES = 2_000
MAX_BYTES = 250 * 2**20
_PRUNE_EVERY = 50
_MAX_MESSAGE_BYTES = 16 * 2**20
_DRAIN_S = 2.0

_log = structlog.get_logger()


class InboxServer:
    """Accepts messages on a free port and stores them in a folder. Several servers may share the folder."""

    def __init__(self, folder: Path, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._server: asyncio.Server | None = None
        self._stored = 0

    async def start(self) -> int:
        """Listens on the loopback address; returns the port."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(
                self,
                data_size_limit=_MAX_MESSAGE_BYTES,
                enable_SMTPUTF8=True,
                hostname="aisle-inbox",
                loop=loop,
            ),
            "127.0.0.1",
            0,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stops accepting messages."""
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._server.wait_closed()
        except TimeoutError:
            pass

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd with a complete message; returns the SMTP reply."""
        content: Any = envelope.content
        try:
            self._store(bytes(content))
        except OSError as error:
            _log.error("email_not_stored", folder=str(self._folder), error=str(error))
            return "451 the message could not be stored"
        return "250 stored"

    def _store(self, content: bytes) -> None:
        name = f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(4)}"
        partial = self._folder / f"{name}.part"
        partial.write_bytes(content)
        os.replace(partial, self._folder / f"{name}.eml")
        self._stored += 1
        if self._stored % _PRUNE_EVERY == 0:
            self._prune()

    def _prune(self) -> None:
        """Deletes the oldest messages beyond the limits, and partial files that a killed notifier left."""
        kept = bytes_kept = 0
        for path in sorted(self._folder.iterdir(), reverse=True):
            try:
                if path.suffix == ".part" and time.time() - path.stat().st_mtime > 60:
                    path.unlink()
                if path.suffix != ".eml":
                    continue
                bytes_kept += path.stat().st_size
                kept += 1
                if kept > self._max_messages or bytes_kept > self._max_bytes:
                    path.unlink()
            except FileNotFoundError:  # another notifier prunes too
                continue
