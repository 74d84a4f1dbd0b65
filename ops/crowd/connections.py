"""HTTP connections of the crowd. On this machine each ten customers have a source address of their own.

So the limits of an address apply to each ten of them as to people elsewhere, and 127.0.0.0/8 has addresses enough.
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

_TOGETHER = 10
"""Customers with one address: fewer sockets than an address may have, even if all watch."""
_CONNECTIONS = 40


class Connections:
    """Sessions by customer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.has_addresses = _is_loopback(url) and _can_bind("127.93.0.1")
        """Whether customers have different addresses."""
        self._sessions: dict[int, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()
        await asyncio.sleep(0)

    def session(self, customer: int) -> aiohttp.ClientSession:
        """Returns the session of a customer."""
        group = customer // _TOGETHER
        session = self._sessions.get(group)
        if session is None:
            address = (f"127.93.{group // 250}.{group % 250 + 1}", 0) if self.has_addresses else None
            connector = aiohttp.TCPConnector(
                limit=_CONNECTIONS, local_addr=address, keepalive_timeout=20, ttl_dns_cache=3600
            )
            session = self._sessions[group] = aiohttp.ClientSession(
                self._url, connector=connector, headers={"User-Agent": "aisle-crowd"}
            )
        return session


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "127.0.0.1") or host.startswith("127.")


def _can_bind(address: str) -> bool:
    """Whether this system has all of 127.0.0.0/8."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
