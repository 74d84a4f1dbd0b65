"""Timeouts of requests: a request must be complete in time, and a pending one ahead of it does not count."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import live

HEAD = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setattr("gateway.server.request_bounds.HEAD_S", 0.2)
    monkeypatch.setattr("gateway.server.request_bounds.REQUEST_S", 0.4)
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made, worker=False) as running:
        yield running


@contextlib.asynccontextmanager
async def connected(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Reads until the connection is closed."""
    async with asyncio.timeout(10):
        return await reader.read()


async def test_a_silent_connection_is_closed(server: Server) -> None:
    async with connected(server) as (reader, _):
        assert await everything(reader) == b""


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\n", HEAD, HEAD + b"\r\n", HEAD + b"\r\n{"])
async def test_an_incomplete_request_gets_a_408(server: Server, sent: bytes) -> None:
    async with connected(server) as (reader, writer):
        writer.write(sent)
        answer = await everything(reader)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b'"code":"request_timeout"' in answer
    assert b"connection: close" in answer


async def test_single_bytes_do_not_extend_the_timeout(server: Server) -> None:
    async with connected(server) as (reader, writer):

        async def dribble() -> None:
            with contextlib.suppress(OSError):
                for byte in HEAD + b"X: " + b"y" * 1_000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.01)

        dribbling = asyncio.create_task(dribble())
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")
        await dribbling


async def test_empty_lines_do_not_extend_the_timeout(server: Server) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"\r\n")
        assert await everything(reader) == b""


async def test_a_connection_stays_open_after_its_response(server: Server) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await reader.read()


async def test_a_request_behind_a_pending_one_does_not_time_out(server: Server) -> None:
    """The gateway does not read it while the one before it is pending."""
    async with server.client(1, "staff") as staff:
        movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
    body = b'{"movie_id":%d,"screen_name":"1","starts_at":"2098-01-01T00:00:00Z","total_seats":9}' % movie
    head = f"POST /api/shows HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nPrefer: wait=1\r\n"
    head += f"Authorization: Bearer {server.token(1, 'staff')}\r\n\r\n"
    async with connected(server) as (reader, writer):
        async with asyncio.timeout(10):
            writer.write(head.encode() + body + HEAD + b"\r\n{")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 202 ")
        writer.write(b"}")
        async with asyncio.timeout(10):
            assert b"HTTP/1.1 400 " in await reader.readuntil(b'"code":"validation"')


async def test_a_websocket_has_no_request_timeout(server: Server) -> None:
    async with live(server, user_id=1) as socket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await socket.connection.recv()
        answer = await socket.ask(type="confirm", booking_id="00000000-0000-8000-8000-000000000000")
        assert answer["problem"]["code"] == "not_found"
