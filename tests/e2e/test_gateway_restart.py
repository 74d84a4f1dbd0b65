"""A gateway that is restarted answers every request that it was sent, and closes each WebSocket in good order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from runtime.log.opening import open_log
from tests.e2e.gateway_processes import GatewayProcesses, gateway_processes
from tests.integration.gateway_server import KEYS

CONNECTIONS = 200
RESTARTS = 10
_BODY = b'{"seats":["1"]}'

REQUESTS = (
    b"GET /api/movies HTTP/1.1\r\nHost: x\r\n\r\n",  # the fast path
    b"POST /api/shows/1/bookings HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + _BODY,
    b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",  # ASGI
    b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
)


@pytest.fixture
async def gateways(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[GatewayProcesses]:
    log = await open_log(None, database_url)
    await log.create(1)
    await log.close()
    settings = {
        "AISLE_HOME": str(tmp_path / "home"),
        "AISLE_DATABASE_URL": database_url,
        "AISLE_REDIS_URL": redis_url,
        "AISLE_JWT_KEYS": KEYS,
        "AISLE_RATE_LIMITS": "off",
        "AISLE_LOG_LEVEL": "warning",
    }
    with gateway_processes(settings) as processes:
        yield processes


class Client:
    """Sends requests over one keep-alive connection, and opens another where it was asked to close."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = self.closed = 0
        self.lost: list[bytes] = []
        self._requests = itertools.cycle(random.sample(REQUESTS, len(REQUESTS)))

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await self._use(reader, writer, stop)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _use(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            request = next(self._requests)
            writer.write(request)
            try:
                async with asyncio.timeout(60):
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            except (OSError, EOFError) as error:
                self.lost.append(request[:20] + repr(error).encode())
                return
            self.answered += 1
            if b"\r\nconnection: close\r\n" in head:
                self.closed += 1
                return
            await asyncio.sleep(random.uniform(0, 0.2))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_request_is_lost_while_gateways_are_restarted(gateways: GatewayProcesses) -> None:
    for _ in range(2):
        gateways.start()
    await gateways.ready()
    stop = asyncio.Event()
    clients = [Client(gateways.port) for _ in range(CONNECTIONS)]
    tasks = [asyncio.create_task(client.run(stop)) for client in clients]
    for _ in range(RESTARTS):
        await asyncio.sleep(0.5)
        await gateways.restart(gateways.running[0])
        await gateways.ready()
    stop.set()
    await asyncio.gather(*tasks)
    answered, closed = sum(one.answered for one in clients), sum(one.closed for one in clients)
    print(f"{answered} answered, {closed} with Connection: close, {RESTARTS} restarts")  # noqa: T201
    assert [lost for client in clients for lost in client.lost] == []
    assert closed >= RESTARTS, "connections of a gateway that stops are closed by an answer"


async def test_a_request_after_the_stop_is_answered_and_the_connection_closed(
    gateways: GatewayProcesses,
) -> None:
    gateway = gateways.start()
    await gateways.ready()
    idle = [await asyncio.open_connection("127.0.0.1", gateways.port) for _ in REQUESTS]
    reader, writer = idle[0]
    writer.write(REQUESTS[0])
    await reader.readuntil(b"\r\n\r\n")
    half = await asyncio.open_connection("127.0.0.1", gateways.port)
    half[1].write(REQUESTS[1][:-3])
    await asyncio.sleep(0.3)
    gateway.terminate()
    await asyncio.sleep(0.5)
    for request, (reader, writer) in zip(REQUESTS, idle, strict=True):
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b"\r\nconnection: close\r\n" in answer.lower(), answer
        writer.close()
    half[1].write(REQUESTS[1][-3:])
    answer = await asyncio.wait_for(half[0].read(), 10)
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    half[1].close()
    assert await asyncio.to_thread(gateway.wait, 30) == 0
    gateways.running.clear()


async def test_a_connection_in_the_backlog_is_answered_by_the_successor(gateways: GatewayProcesses) -> None:
    gateway = gateways.start()
    await gateways.ready()
    gateway.terminate()
    assert await asyncio.to_thread(gateway.wait, 30) == 0
    gateways.running.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateways.port)
    writer.write(REQUESTS[0])
    gateways.start()
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 60)).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_websocket_is_closed_with_1012_and_a_close_frame_of_both_sides(
    gateways: GatewayProcesses,
) -> None:
    gateway = gateways.start()
    await gateways.ready()
    async with connect(f"ws://127.0.0.1:{gateways.port}/api/me/live", proxy=None) as socket:
        gateway.terminate()
        await asyncio.wait_for(socket.wait_closed(), 10)
        assert (socket.close_code, socket.protocol.close_rcvd_then_sent) == (1012, True)
    assert await asyncio.to_thread(gateway.wait, 30) == 0
    gateways.running.clear()
