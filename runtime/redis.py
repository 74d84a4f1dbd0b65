"""Connections to Redis. It may become unavailable at any moment: calls fail soon and are not retried here."""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_S = 1.0
"""Timeout for connecting."""

MAX_CONNECTIONS = 8
"""Connections per process: further calls wait for one. A pool does not close idle connections."""

RESPONSE_S = 2.0
"""Timeout for a response."""


class _OnUvloop:
    """What a connection lacks on uvloop, which raises RuntimeError for a write after the server has reset it."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        except RuntimeError as error:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise RedisConnectionError(f"the connection was reset: {error}") from error


class _TcpConnection(_OnUvloop, Connection):
    pass


class _TlsConnection(_OnUvloop, SSLConnection):
    pass


class _SocketConnection(_OnUvloop, UnixDomainSocketConnection):
    pass


_CONNECTIONS = {
    Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _SocketConnection,
}


def connect(url: str) -> Redis:
    """Returns a client with its own pool, which connects at the first call. Responses are bytes.

    A call raises `redis.RedisError` within about two seconds when the server is unavailable; the next one
    reconnects. These timeouts do not apply to `listen()` of a subscriber, which waits for ever.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=RESPONSE_S,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=RESPONSE_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    pool.connection_class = _CONNECTIONS[pool.connection_class]
    return Redis.from_pool(pool)
