"""Connections to Redis. It may become unavailable at any moment: calls fail soon and are not retried here."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_S = 1.0
"""Timeout for connecting."""

MAX_CONNECTIONS = 8
"""Connections per process: further calls wait for one. A pool does not close idle connections."""

RESPONSE_S = 2.0
"""Timeout for a response."""


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
    return Redis.from_pool(pool)
