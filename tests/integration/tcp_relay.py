"""A host on the network in front of a server that listens on a socket only or moves; and hosts with faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def relay(socket: Path) -> AsyncIterator[int]:
    """Forwards connections to `socket`; yields the port."""
    async with _forwarding(lambda: asyncio.open_unix_connection(socket)) as port:
        yield port


class Target:
    """The port of this machine to which a relay forwards; it may change."""

    def __init__(self, port: int) -> None:
        self.port = port


@asynccontextmanager
async def moving_relay(target: Target) -> AsyncIterator[int]:
    """Forwards each new connection to the target of that moment; yields the port."""
    async with _forwarding(lambda: asyncio.open_connection("127.0.0.1", target.port)) as port:
        yield port


@asynccontextmanager
async def _forwarding(connect: Callable[[], Awaitable[Streams]]) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await connect()
        except OSError:
            writer.close()
            return
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(pump(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async with _listening(connected) as port:
        yield port
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def silent_host(port: int = 0) -> AsyncIterator[int]:
    """Accepts connections and never responds, like a host that is switched off; on any free port by default."""
    kept: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)

    async with _listening(connected, port) as own:
        yield own
        for writer in kept:
            writer.close()


@asynccontextmanager
async def _listening(connected: object, port: int = 0) -> AsyncIterator[int]:
    server = await asyncio.start_server(connected, "127.0.0.1", port)  # type: ignore[arg-type]
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
