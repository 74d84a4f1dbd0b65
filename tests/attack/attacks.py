"""The attacks: each goes on until its time is over, on sockets, without reading more than it has to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from tests.attack.victim import Victim

Attack = Callable[[Victim, float], Coroutine[Any, Any, None]]

FAST, ASGI = "/api/shows/1/bookings", "/api/login"
"""One route on the fast path, and one that goes by ASGI."""
PIPELINING = 300
"""Connections of attacks that need many."""
_addresses = itertools.count()
_PIECE = 64 * 1024
_WRITE_S = 1.0


class Line:
    """A connection of an attacker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> bool:
        """Sends; false where the gateway does not read or has closed."""
        try:
            async with asyncio.timeout(_WRITE_S):
                await self._loop.sock_sendall(self._connection, data)
        except (OSError, TimeoutError):
            return False
        return True

    async def until_closed(self, until: float) -> bytes:
        """Reads until the gateway closes; returns what it sent."""
        came = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                while data := await self._loop.sock_recv(self._connection, _PIECE):
                    came += data
        return came


@contextlib.asynccontextmanager
async def line(victim: Victim) -> AsyncIterator[Line]:
    """Connects. Its receive buffer is small: it is not the kernel that takes what the attacker leaves."""
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", victim.port))
        yield Line(connection)


def forever(first: bytes, more: bytes, connections: int = 4) -> Attack:
    """Sends something without end on some connections, on others once they are closed."""
    block = more * max(1, _PIECE // len(more))

    async def one(victim: Victim, until: float) -> None:
        while time.monotonic() < until:
            async with line(victim) as attacker:
                going = await attacker.send(first)
                while going and time.monotonic() < until:
                    going = await attacker.send(block)
                    await asyncio.sleep(0)

    async def attack(victim: Victim, until: float) -> None:
        await asyncio.gather(*(one(victim, until) for _ in range(connections)))

    return attack


def unread(request: bytes, connections: int = PIPELINING) -> Attack:
    """Sends 280 KB of requests on each of many connections and reads nothing."""

    async def attack(victim: Victim, until: float) -> None:
        async with contextlib.AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(line(victim)) for _ in range(connections)]
            await asyncio.gather(*(one.send(request * (280_000 // len(request))) for one in lines))
            await asyncio.sleep(max(0.0, until - time.monotonic()))

    return attack


def repeated(requests: Callable[[Victim], Iterator[bytes]], connections: int = 4) -> Attack:
    """Sends requests one after the other and reads the responses, as fast as it goes, from ever new addresses."""

    async def one(victim: Victim, until: float, of: Iterator[bytes]) -> None:
        while time.monotonic() < until:
            address = f"127.{next(_addresses) % 200 + 1}.{random.randrange(256)}.1"
            reader, writer = await asyncio.open_connection("127.0.0.1", victim.port, local_addr=(address, 0))
            with contextlib.suppress(OSError, EOFError, ValueError):
                for _ in range(2_000):
                    if time.monotonic() > until:
                        break
                    writer.write(next(of))
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(
                        int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                    )
            writer.close()

    async def attack(victim: Victim, until: float) -> None:
        of = requests(victim)
        await asyncio.gather(*(one(victim, until, of) for _ in range(connections)))

    return attack


def frames(frame: Callable[[], bytes], connections: int = 4) -> Attack:
    """Sends frames without end on WebSockets and reads nothing but the handshake."""

    async def one(victim: Victim, until: float) -> None:
        head = (
            f"GET /api/me/live HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {victim.token()}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        while time.monotonic() < until:
            async with line(victim) as attacker:
                going = await attacker.send(head.encode())
                await asyncio.sleep(0.2)
                while going and time.monotonic() < until:
                    going = await attacker.send(frame() * 500)
                    await asyncio.sleep(0)
            await asyncio.sleep(0.05)

    async def attack(victim: Victim, until: float) -> None:
        await asyncio.gather(*(one(victim, until) for _ in range(connections)))

    return attack


async def hold(victim: Victim, until: float) -> None:
    """Opens many more connections than one address may have, and keeps them."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(1_500):
            await stack.enter_async_context(line(victim))
        await asyncio.sleep(max(0.0, until - time.monotonic()))


def masked(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as a client sends it, with a mask of zeros. At most 65,535 bytes."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([opcode | (0x80 if final else 0)]) + size + bytes(4) + payload


def spellings(victim: Victim) -> Iterator[bytes]:
    """One token in ever new headers of 30 KB."""
    token = victim.token().encode()
    for n in itertools.count():
        blanks = b" " * (30_000 - n % 20_000)
        scheme = b"bearer" if n // 20_000 % 2 else b"Bearer"
        yield b"GET /api/me/bookings HTTP/1.1\r\nHost: a\r\nAuthorization: %b %b%b\r\n\r\n" % (
            scheme,
            blanks,
            token,
        )


def junk_in_tokens(victim: Victim) -> Iterator[bytes]:
    """One token with ever new bytes that base64 decoders ignore."""
    token = victim.token().encode()
    for _ in itertools.count():
        junk = (
            os.urandom(1_500)
            .hex()
            .translate({ord(c): "!$%&*?"[n % 6] for n, c in enumerate("0123456789abcdef")})
        )
        yield b"GET /api/me/bookings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b%b\r\n\r\n" % (
            token,
            junk.encode(),
        )


def new_targets(_: Victim) -> Iterator[bytes]:
    """Ever new addresses of 8 KB."""
    for n in itertools.count():
        yield b"GET /api/shows/%08d%b HTTP/1.1\r\nHost: a\r\n\r\n" % (n, b"x" * 8_000)


def new_hosts(_: Victim) -> Iterator[bytes]:
    """Ever new values of each header that is cached by its value."""
    for n in itertools.count():
        value = b"%08d.%b" % (n, b"x" * 240)
        yield b"GET /api/movies HTTP/1.1\r\nHost: %b\r\nX-Forwarded-For: %b\r\nX-Request-Id: %b\r\n\r\n" % (
            (value,) * 3
        )


def _post(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


_CHUNKED = "Transfer-Encoding: chunked"
_LAST = b"0\r\n\r\n"

ATTACKS: dict[str, Attack] = {
    "one token in many headers": repeated(spellings),
    "one token with junk in it": repeated(junk_in_tokens),
    "targets that are remembered": repeated(new_targets),
    "headers that are remembered": repeated(new_hosts),
    "an endless trailer, fast route": forever(_post(FAST, _CHUNKED) + b"0\r\nX: ", b"a", 2),
    "an endless trailer, ASGI": forever(_post(ASGI, _CHUNKED) + b"0\r\nX: ", b"a", 2),
    "endless trailers": forever(_post(FAST, _CHUNKED) + b"0\r\n", b"a:\r\n"),
    "an endless chunk extension": forever(_post(FAST, _CHUNKED), b"1;x=y"),
    "many small chunks": forever(_post(ASGI, _CHUNKED), b"1\r\nx\r\n"),
    "an endless header": forever(_get(FAST)[:-2] + b"X: ", b"a"),
    "empty headers": forever(_get(FAST)[:-2], b"a:\r\n"),
    "blank headers": forever(_get(FAST)[:-2], b"a:" + b" " * 100 + b"\r\n"),
    "an endless target": forever(b"GET /", b"a"),
    "empty lines": forever(b"", b"\r\n"),
    "a body without end": forever(_post(FAST, "Content-Length: 1000000000"), b"a"),
    "nonsense": forever(b"", b"\xff" * 100 + b"\r\n\r\n"),
    "unread openapi.json": unread(_get("/openapi.json")),
    "unread movies, fast route": unread(_get("/api/movies")),
    "unread 404s": unread(_get("/nothing")),
    "pipelined bodies": unread(_post(ASGI, "Content-Length: 15000") + b"x" * 15_000),
    "pipelined chunks": unread(_post(FAST, _CHUNKED) + b"2\r\n{}\r\n" + _LAST),
    "1,500 connections": hold,
    "pings": frames(lambda: masked(9, b"p" * 125)),
    "empty pings": frames(lambda: masked(9, b"")),
    "pongs": frames(lambda: masked(10, b"p" * 100)),
    "empty fragments": frames(lambda: masked(1, b"", final=False) + masked(0, b"", final=False) * 10),
    "short messages": frames(lambda: masked(1, b"{}")),
    "long messages": frames(lambda: masked(1, b"[" * 60_000)),
    "frames that are none": frames(lambda: os.urandom(100)),
}
"""Each by its name: what is done."""
SHORT = (
    "one token in many headers", "an endless trailer, fast route", "an endless trailer, ASGI",
    "unread openapi.json", "unread movies, fast route", "pings",
)  # fmt: skip
"""Those that the tests run each time."""
