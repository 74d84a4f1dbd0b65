"""A client of the live sockets, and a show on sale for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.gateway_server import Server

Message = dict[str, Any]
PATIENCE_S = 20


class Gateway(Protocol):
    """A gateway that serves on a port of this machine."""

    port: int

    def token(self, user_id: int, role: str = "customer") -> str: ...


class Live:
    """An open socket. Messages are kept in order until they are read."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.unread: list[Message] = []
        self._refs = itertools.count(1)

    async def send(self, message: Message | str | bytes) -> None:
        await self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def next(self, wanted: Callable[[Message], bool]) -> Message:
        """Awaits the first message that matches; the others are kept."""
        for kept in self.unread:
            if wanted(kept):
                self.unread.remove(kept)
                return kept
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message: Message = json.loads(await self.connection.recv())
                if wanted(message):
                    return message
                self.unread.append(message)

    async def ask(self, **message: Any) -> Message:
        """Sends a message with a new ref and returns the response without the ref."""
        ref = f"r{next(self._refs)}"
        await self.send(message | {"ref": ref})
        answer = await self.answer_to(ref)
        del answer["ref"]
        return answer

    async def answer_to(self, ref: str | None) -> Message:
        return await self.next(lambda message: "ref" in message and message["ref"] == ref)

    async def change(self, booking_id: str, status: str) -> Message:
        """Awaits the message that a booking has this status, and returns the booking."""
        message = await self.next(
            lambda one: (
                one.get("type") == "booking"
                and (one["booking"]["id"], one["booking"]["status"]) == (booking_id, status)
            )
        )
        booking: Message = message["booking"]
        return booking

    async def closed(self) -> tuple[int, str]:
        """Awaits the close code and reason; earlier messages are kept."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    self.unread.append(json.loads(await self.connection.recv()))
            except ConnectionClosed as error:
                close = error.rcvd
        assert close is not None, "the connection ended without a close frame"
        return close.code, close.reason


class Replay:
    """The seats of a client that applies the first message and every change."""

    def __init__(self, socket: Live) -> None:
        self._socket = socket
        self.letters: list[str] = []
        self.versions: list[int] = []

    @property
    def states(self) -> str:
        return "".join(self.letters)

    async def step(self) -> None:
        message = json.loads(await self._socket.connection.recv())
        if not self.versions:
            assert set(message) == {"type", "version", "states"}
            assert message["type"] == "seats"
            self.letters = list(message["states"])
        else:
            assert set(message) == {"type", "version", "changes"}
            assert message["type"] == "changes"
            assert message["changes"]
            assert message["version"] > self.versions[-1], "in order, none twice"
            for label, letter in message["changes"].items():
                self.letters[int(label) - 1] = letter
        self.versions.append(message["version"])

    async def until(self, version: int, states: str) -> None:
        """Applies messages up to this version."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.versions or self.versions[-1] < version:
                await self.step()
        assert (self.versions[-1], self.states) == (version, states)


@contextlib.asynccontextmanager
async def live(
    server: Gateway,
    path: str = "/api/me/live",
    *,
    user_id: int | None = None,
    role: str = "customer",
    token: str | None = None,
    origin: str | None = None,
    receive_buffer: int | None = None,
    **headers: str,
) -> AsyncIterator[Live]:
    """Connects, with the header Authorization if a user or a token is given. Raises InvalidStatus.

    `receive_buffer`: bytes that the kernel keeps for a client that does not read.
    """
    if user_id is not None:
        token = server.token(user_id, role)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if origin is not None:
        headers["Origin"] = origin
    own = socket.socket()
    own.setblocking(False)
    if receive_buffer is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", server.port))
    url = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(url, sock=own, additional_headers=headers, compression=None, proxy=None) as connection:
        yield Live(connection)


async def refusal(server: Gateway, path: str = "/api/me/live", **options: Any) -> tuple[int, Message]:
    """Returns status and problem of a rejected handshake."""
    try:
        async with live(server, path, **options):
            raise AssertionError("the handshake was accepted")
    except InvalidStatus as error:
        response = error.response
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-request-id"]
        assert response.body is not None
        return response.status_code, json.loads(response.body)


async def make_show(server: Server, total_seats: int = 50, **terms: Any) -> int:
    """Makes a show on sale with seats "1" … "N", or a layout."""
    async with server.client(1, "staff") as staff:
        movie = await staff.post("/api/movies", json={"title": "Night", "duration_minutes": 90})
        wanted = {
            "movie_id": movie.json()["id"],
            "screen_name": "Hall 1",
            "starts_at": "2098-06-01T20:00:00Z",
        }
        if "layout" not in terms:
            wanted["total_seats"] = total_seats
        answer = await staff.post("/api/shows", json=wanted | terms)
        assert answer.status_code == 201, answer.text
        show_id: int = answer.json()["id"]
        return show_id


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition is true."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
