"""Write coalescing over real connections on uvloop, as the gateway has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import uvloop

from gateway.server.response_writer import ResponseWriter

PATIENCE_S = 2.0


class _Server(asyncio.Protocol):
    """Collects the transports of connected clients."""

    def __init__(self, transports: list[asyncio.Transport]) -> None:
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transports.append(cast(asyncio.Transport, transport))


@asynccontextmanager
async def connected(n: int) -> AsyncIterator[tuple[list[asyncio.Transport], list[asyncio.StreamReader]]]:
    """Yields the server's transports to n clients, and the clients' readers."""
    transports: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Server(transports), "127.0.0.1", 0)
    readers, writers = [], []
    try:
        async with asyncio.timeout(PATIENCE_S):
            for number in range(1, n + 1):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                readers.append(reader)
                writers.append(writer)
                while len(transports) < number:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        async with asyncio.timeout(2 * PATIENCE_S):
            yield transports, readers
    finally:
        for one in (*transports, *(writer.transport for writer in writers)):
            one.abort()
        server.close()
        await asyncio.sleep(0.01)


def on_uvloop(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story)


def test_a_disconnected_client_does_not_cost_the_others_their_responses() -> None:
    async def story() -> None:
        async with connected(3) as (transports, readers):
            writer = ResponseWriter()
            transports[1].abort()
            await asyncio.sleep(0.02)  # so that the connection is over, not just about to be
            for transport in transports:
                writer.write(transport, b"answer")
            assert await readers[0].read(10) == b"answer"
            assert await readers[2].read(10) == b"answer"

    on_uvloop(story())


def test_responses_are_written_at_once_when_they_are_more_than_64_kib() -> None:
    class Recorder(asyncio.Transport):
        written = 0

        def is_closing(self) -> bool:
            return False

        def write(self, data: bytes | bytearray | memoryview[int]) -> None:
            self.written += len(data)

    async def story() -> None:
        writer, transport = ResponseWriter(), Recorder()
        for _ in range(3):
            writer.write(transport, bytes(20_000))
        assert transport.written == 0
        writer.write(transport, bytes(20_000))
        assert transport.written == 80_000, "at once, so that the transport can pause the connection"
        writer.write(transport, b"later")
        await asyncio.sleep(0)
        assert transport.written == 80_005

    on_uvloop(story())
