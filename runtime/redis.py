"""Connections to Redis. It may vanish at any moment: calls fail soon and are not tried again here."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_S = 1.0
"""Seconds after which a server that does not take the connection counts as gone."""

MAX_CONNECTIONS = 8
"""Connections of one process: calls beyond them wait for one. A pool never gives back what it once opened."""

ANSWER_S = 2.0
"""Seconds after which a server that does not answer counts as gone."""


def connect(url: str) -> Redis:
    """A client with a pool of its own; connects at the first call. Answers are bytes.

    A call raises `redis.RedisError` within about two seconds when there is no server; the next one
    connects again. These limits do not hold for a subscriber's `listen()`, which waits for ever.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_S,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return Redis.from_pool(pool)
