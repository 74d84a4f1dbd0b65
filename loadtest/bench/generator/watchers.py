"""Thousands of WebSockets that watch one show, cheap enough to share the machine with the service."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import cast

from loadtest.bench.processes import raise_open_files
from loadtest.client import SetupError

_CONCURRENT_HANDSHAKES = 100
_OPENING_S = 60.0
_CHANGES = b'{"type":"changes","version":'


class Arrivals:
    """Arrival times of each version of the show, at every socket."""

    def __init__(self) -> None:
        self.at: defaultdict[int, list[float]] = defaultdict(list)
        """Version → `time.perf_counter()` of each arrival."""
        self.snapshots = 0
        self.lost = 0
        """Sockets that the service closed."""


class Watcher(asyncio.Protocol):
    """One socket: reads the versions of frames and answers pings."""

    __slots__ = ("_arrivals", "_held", "_transport", "ending", "opened")

    def __init__(self, arrivals: Arrivals, request: bytes) -> None:
        self._arrivals = arrivals
        self._held = request
        self.opened = asyncio.get_running_loop().create_future()
        self.ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._held)
        self._held = b""

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self._held + data if self._held else data
        if not self.opened.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._held = head
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.opened.set_exception(SetupError(head.partition(b"\r\n")[0].decode(errors="replace")))
                return
            self.opened.set_result(None)
        at = 0
        while (frame := _frame(data, at)) is not None:
            opcode, start, at = frame
            self._take(opcode, data, start, at, now)
        self._held = data[at:]

    def _take(self, opcode: int, data: bytes, start: int, end: int, now: float) -> None:
        if opcode == 0x9:
            # A client masks what it sends; with a mask of zeros the payload stays as it is.
            self._transport.write(b"\x8a%c\0\0\0\0%b" % (0x80 | (end - start), data[start:end]))
        elif data.startswith(_CHANGES, start):
            digits = start + len(_CHANGES)
            self._arrivals.at[int(data[digits : data.index(b",", digits)])].append(now)
        elif opcode == 0x1:
            self._arrivals.snapshots += 1

    def stop_reading(self) -> None:
        """Stops reading, like a stalled client."""
        self._transport.pause_reading()

    def abort(self) -> None:
        self.ending = True
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(SetupError(f"a socket was closed at once: {error}"))
        elif not self.ending:
            self._arrivals.lost += 1


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame at `at`; None when the frame is incomplete."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < start + width:
            return None
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    return (data[at] & 0xF, start, start + size) if len(data) >= start + size else None


async def open_watchers(host: str, port: int, show_id: int, count: int, arrivals: Arrivals) -> list[Watcher]:
    """Opens sockets and awaits their handshakes. Raises SetupError, OSError or TimeoutError."""
    most = raise_open_files()
    if most < count + 200:
        raise SetupError(f"{count} sockets need as many open files; the limit is {most}: see ulimit -n")
    request = (
        f"GET /api/shows/{show_id}/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 21}Q==\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(_CONCURRENT_HANDSHAKES)

    async def open_one() -> Watcher:
        async with room:
            _, watcher = await loop.create_connection(lambda: Watcher(arrivals, request), host, port)
            await watcher.opened
            return watcher

    async with asyncio.timeout(_OPENING_S):
        return list(await asyncio.gather(*(open_one() for _ in range(count))))
