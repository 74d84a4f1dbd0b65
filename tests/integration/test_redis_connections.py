"""A process keeps few connections to Redis, however many calls it makes at once."""

from __future__ import annotations

import asyncio

import redis.exceptions
import uvloop
from redis.asyncio import Redis

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


def test_a_server_that_resets_connections_is_unavailable_on_uvloop_too() -> None:
    kinds: set[type[BaseException]] = set()

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def call(client: Redis) -> None:
        try:
            await client.ping()
        except Exception as error:
            kinds.add(type(error))

    async def calls() -> None:
        server = await asyncio.start_server(reset, "127.0.0.1", 0)
        client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        for _ in range(30):
            await asyncio.gather(*(call(client) for _ in range(MAX_CONNECTIONS)))
        await client.aclose()
        server.close()

    uvloop.run(calls())
    assert kinds
    assert all(issubclass(kind, redis.exceptions.RedisError) for kind in kinds), kinds
