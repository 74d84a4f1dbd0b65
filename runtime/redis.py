"""Connections to Redis. It may vanish at any moment: calls fail soon and are not tried again here."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_S = 1.0
"""Seconds after which a server that does not take the connection counts as gone."""

ANSWER_S = 2.0
"""Seconds after which a server that does not answer counts as gone."""


def connect(url: str) -> Redis:
    """A client with a pool of its own; connects at the first call. Answers are bytes.

    A call raises `redis.RedisError` within about two seconds when there is no server; the next one
    connects again. These limits do not hold for a subscriber's `listen()`, which waits for ever.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_S,
        socket_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
