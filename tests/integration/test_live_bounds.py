"""Limits of a WebSocket: past them it is closed, and the gateway still serves others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import live

SOON_S = 20


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with serving(made, worker=False) as running:
        yield running


async def closed_after(server: Server, frames: bytes) -> int | None:
    """Sends these bytes on a socket; returns its close code, or None if it is reset."""
    async with live(server, user_id=1) as socket:
        socket.connection.transport.write(frames)
        try:
            async with asyncio.timeout(SOON_S):
                while True:
                    await socket.connection.recv()
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else None


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_control_frames_are_limited(server: Server, opcode: Opcode) -> None:
    assert await closed_after(server, frame(opcode, b"x") * 101) == 1008


async def test_some_pings_are_answered(server: Server) -> None:
    async with live(server, user_id=1) as socket:
        for _ in range(50):
            await asyncio.wait_for(await socket.connection.ping(), SOON_S)
        answer = await socket.ask(type="confirm", booking_id="00000000-0000-8000-8000-000000000000")
        assert answer["problem"]["code"] == "not_found"


async def test_the_number_of_fragments_is_limited(server: Server) -> None:
    more = frame(Opcode.CONT, fin=False)
    assert await closed_after(server, frame(Opcode.TEXT, b"{", fin=False) + more * 2_000) == 1009


async def test_a_message_of_fragments_is_limited_as_a_whole(server: Server) -> None:
    more = frame(Opcode.CONT, b" " * 1_000, fin=False)
    assert await closed_after(server, frame(Opcode.TEXT, b"{", fin=False) + more * 70) == 1009


async def test_nothing_is_compressed(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/api/me/live"
    async with connect(url, compression="deflate", proxy=None) as socket:
        assert socket.protocol.extensions == []


async def test_many_messages_at_once_are_answered_in_turn(server: Server) -> None:
    async with live(server, user_id=1) as socket:
        for number in range(300):
            await socket.send(
                {
                    "type": "confirm",
                    "ref": str(number),
                    "booking_id": f"{number:08}-0000-8000-8000-" + "0" * 12,
                }
            )
        for number in range(300):
            assert (await socket.answer_to(str(number)))["problem"]["code"] == "not_found"
