"""HTTP requests to receivers: one address, one try, no redirect, little of the response, and no private network.

The address is checked when the socket to it is made, after the name was resolved, so that a name whose answer changes
gains nothing. Names are resolved in threads of their own: a name server that does not answer delays no e-mail.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from webhooks.addresses import Network, may_connect
from webhooks.schedule import Outcome, Try, outcome_of, read_retry_after

TIMEOUT_S = 15.0
"""Limit of a whole try: name, connection, TLS, request, and the head of the response."""
CONNECT_S = 5.0
_DRAIN_S = 1.0
_DRAINED = 16 * 1024
"""Bytes of a response that are read, so that its connection can be used again. They are thrown away."""
_NAME_THREADS = 16


class PrivateAddress(OSError):
    """The address is in a private network that AISLE_WEBHOOK_PRIVATE_NETWORKS does not name."""


class Connections:
    """Connections to receivers. `resolver` is another source of addresses, for tests."""

    def __init__(self, private_networks: Sequence[Network], resolver: AbstractResolver | None = None) -> None:
        self._private_networks = private_networks
        self._resolver = resolver or _Names()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                socket_factory=self._socket,
                use_dns_cache=False,
                limit=0,  # the sender bounds them, for each webhook
                keepalive_timeout=15,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_S),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Try:
        """Sends one request. Never raises for what a receiver does."""
        try:
            async with self._session.post(url, headers=headers, data=body, allow_redirects=False) as response:
                status = response.status
                retry_after_s = read_retry_after(response.headers, datetime.now(UTC))
                await _drain(response)
        except TimeoutError:
            return Try(Outcome.RETRY, error=f"no response within {TIMEOUT_S:.0f} s")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, PrivateAddress):
                return Try(Outcome.RETRY, error=str(error.os_error))
            return Try(Outcome.RETRY, error=f"no connection: {error}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Try(Outcome.RETRY, error=f"{type(error).__name__}: {error}")
        outcome = outcome_of(status)
        error_text = None if outcome is Outcome.DELIVERED else _describe(status)
        return Try(outcome, status, error_text, retry_after_s)

    def _socket(self, info: Any) -> socket.socket:
        """The socket of a connection to an address. Raises PrivateAddress."""
        family, kind, protocol, _, address = info
        if not may_connect(address[0], self._private_networks):
            raise PrivateAddress(
                f"{address[0]} is in a private network; AISLE_WEBHOOK_PRIVATE_NETWORKS can allow it"
            )
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        await self._session.close()
        await self._resolver.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads the rest of a short response; the connection of any other is closed."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            left = _DRAINED
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
    except (TimeoutError, aiohttp.ClientError, OSError):
        left = 0
    if left <= 0:
        response.close()


def _describe(status: int) -> str:
    if 300 <= status < 400:
        return f"redirects are not followed: {status}; set the webhook's url to the final address"
    return f"the receiver answered {status}"


class _Names(AbstractResolver):
    """The system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_NAME_THREADS, thread_name_prefix="webhook names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=protocol, flags=0
            )
            for kind, _, protocol, _, address in found
            if isinstance(address[0], str)
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
