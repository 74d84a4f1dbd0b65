"""A process keeps few connections to Redis, however many calls it makes at once."""

from __future__ import annotations

import asyncio

from runtime.redis import MAX_CONNECTIONS, connect


async def test_calls_at_once_share_a_few_connections(redis_url: str) -> None:
    client = connect(redis_url)
    other = connect(redis_url)
    try:
        before = len(await other.client_list())
        values = await asyncio.gather(*(client.echo(str(n)) for n in range(500)))
        assert values == [str(n).encode() for n in range(500)]
        assert len(await other.client_list()) - before <= MAX_CONNECTIONS
    finally:
        await client.aclose()
        await other.aclose()
