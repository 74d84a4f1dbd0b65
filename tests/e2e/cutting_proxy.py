"""A TCP proxy in front of Aisle that loses responses, sends its own, and cuts connections, as networks do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

_HEAD_END = b"\r\n\r\n"


class CuttingProxy:
    """Forwards requests one at a time on each connection; WebSockets pass as they are.

    `lost`, `answers`: for the next requests whose first line begins so, lose the answer after Aisle has made it, or
    answer in its place. `expired`: access tokens that have expired. `seen`: first line and Idempotency-Key of each
    request; `token`: the last access token.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.port = 0
        self.lost: deque[str] = deque()
        self.answers: deque[tuple[str, bytes]] = deque()
        self.seen: list[tuple[str, str]] = []
        self.expired: set[str] = set()
        self.token = ""
        self.rewrite: tuple[bytes, bytes] = (b"", b"")
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_all(self) -> None:
        """Cuts every open connection, as a restarted load balancer does."""
        for writer in self._writers:
            writer.transport.abort()

    def requests(self, start: str) -> list[tuple[str, str]]:
        return [request for request in self.seen if request[0].startswith(start)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._writers |= {writer, up_writer}
        try:
            while True:
                head = await reader.readuntil(_HEAD_END)
                line = head.split(b" HTTP/", 1)[0].decode()
                key = _header(head, b"idempotency-key")
                body = await reader.readexactly(int(_header(head, b"content-length") or 0))
                self.seen.append((line, key))
                self.token = _header(head, b"authorization").removeprefix("Bearer ") or self.token
                if _header(head, b"authorization").removeprefix("Bearer ") in self.expired:
                    writer.write(problem(401, "token_expired"))
                    continue
                if self.answers and line.startswith(self.answers[0][0]):
                    writer.write(self.answers.popleft()[1])
                    continue
                up_writer.write(head.replace(*self.rewrite) if self.rewrite[0] else head)
                up_writer.write(body)
                if _header(head, b"upgrade"):
                    await asyncio.wait(
                        [
                            asyncio.create_task(_pump(reader, up_writer)),
                            asyncio.create_task(_pump(up_reader, writer)),
                        ],
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    return
                answer = await up_reader.readuntil(_HEAD_END)
                answer += await up_reader.readexactly(int(_header(answer, b"content-length") or 0))
                if self.lost and line.startswith(self.lost[0]):
                    self.lost.popleft()
                    return
                writer.write(answer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, up_writer):
                end.transport.abort()
                self._writers.discard(end)


def problem(status: int, code: str, **headers: str) -> bytes:
    """An error as Aisle answers it."""
    return _answer(status, json.dumps({"code": code, "status": status, "detail": "…"}), headers)


def page(status: int) -> bytes:
    """An error page of a proxy."""
    return _answer(status, "<html>Bad Gateway</html>", {})


def _answer(status: int, text: str, headers: dict[str, str]) -> bytes:
    body = text.encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line.partition(b":")[2].strip().decode()
    return ""


async def _pump(reader: asyncio.StreamReader, writer: Any) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)


@contextlib.asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[CuttingProxy]:
    """Opens one in front of a port of this machine."""
    proxy = CuttingProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut_all()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
