"""The control socket of a supervisor: carries out the requests of `aisle scale`, `restart` and `ps`, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from ops.local.control_messages import (
    DO_WITHIN_S,
    MAX_MESSAGE,
    NAME,
    PROTOCOL,
    Line,
    ListProcesses,
    Refused,
    Reply,
    Request,
    Restart,
    Scale,
    decode_request,
    encode,
    socket_address,
)

_READ_S = 5.0

Send = Callable[[Reply], None]
Carry = Callable[[Scale | Restart | ListProcesses, Callable[[str], None]], Awaitable[Reply]]

_log = structlog.get_logger()


class ControlServer:
    """Serves requests. `carry_out` does one, and reports lines meanwhile."""

    def __init__(self, carry_out: Carry) -> None:
        self._carry_out = carry_out
        self._running: Scale | Restart | None = None
        self._tasks: set[asyncio.Task[Reply]] = set()
        self._connections: set[asyncio.Future[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, run_folder: Path) -> AsyncIterator[None]:
        """Serves within the block. What is running at its end is cancelled, and has cleaned up when it ends."""
        with _listener(run_folder) as listener:
            server = await asyncio.start_unix_server(self._connected, sock=listener, limit=MAX_MESSAGE)
            try:
                yield
            finally:
                server.close()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await asyncio.gather(*self._connections)
                (run_folder / NAME).unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(reply: Reply) -> None:
            if not writer.is_closing():
                writer.write(encode(reply) + b"\n")

        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_READ_S):
                line = await reader.readuntil(b"\n")
            send(await self._answer(line, send))
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, send: Send) -> Reply:
        try:
            request = decode_request(line)
        except msgspec.DecodeError:
            return Refused(
                "the `aisle up` of this home is of another release, which does not know this command; "
                "stop and start it, or use the `aisle` of its release"
            )
        if request.protocol != PROTOCOL:
            return Refused(
                "the `aisle up` of this home is of another release, with other messages; "
                "stop and start it, or use the `aisle` of its release"
            )
        return await self._do(request, send)

    async def _do(self, request: Request, send: Send) -> Reply:
        if isinstance(request.do, ListProcesses):
            return await self._carry_out(request.do, lambda _: None)
        if self._running is not None:
            return Refused(f"`aisle {self._running}` is still running in this home; nothing was changed")
        self._running = request.do
        _log.info("control_requested", command=str(request.do))
        # A task of its own: it goes on when the command that requested it is ended.
        task = asyncio.create_task(self._within_time(request.do, lambda text: send(Line(text))))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait([task])
        if task.cancelled():
            return Refused(f"the `aisle up` of this home is stopping; `aisle {request.do}` was ended")
        return task.result()

    async def _within_time(self, do: Scale | Restart, report: Callable[[str], None]) -> Reply:
        try:
            async with asyncio.timeout(DO_WITHIN_S):
                return await self._carry_out(do, report)
        except TimeoutError:
            return Refused(
                f"`aisle {do}` was not done within {DO_WITHIN_S:.0f} s and was ended; see `aisle ps`"
            )

    def _ended(self, task: asyncio.Task[Reply]) -> None:
        self._running = None
        self._tasks.discard(task)


def _listener(run_folder: Path) -> socket.socket:
    descriptor = os.open(run_folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (run_folder / NAME).unlink(missing_ok=True)  # of a killed supervisor; the caller has locked the home
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            listener.bind(socket_address(descriptor))
        finally:
            os.umask(mask)
        return listener
    finally:
        os.close(descriptor)
