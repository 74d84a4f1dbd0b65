"""Clients with connections to a known one of several gateways behind one port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.running import RunningAisle
from tests.integration.live_sockets import Live, live

_TRIES = 200


def serves(aisle: RunningAisle, client_port: int) -> int | None:
    """The gateway's process that has the connection from this port; None before it is accepted."""
    server = f"0100007F:{aisle.port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == server and fields[2].endswith(f":{client_port:04X}"):
            socket_of_it = f"socket:[{fields[9]}]"
            for pid in aisle.pids("gateway"):
                with contextlib.suppress(OSError):
                    if any(str(fd.readlink()) == socket_of_it for fd in Path(f"/proc/{pid}/fd").iterdir()):
                        return pid
    return None


@contextlib.asynccontextmanager
async def at_each(
    aisle: RunningAisle, user_id: int | None, role: str = "customer"
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Yields two clients of one customer, each with one connection to a different gateway."""
    one_connection = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    headers = {} if user_id is None else {"Authorization": f"Bearer {aisle.token(user_id, role)}"}
    found: dict[int, httpx.AsyncClient] = {}
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(_TRIES):
            async with contextlib.AsyncExitStack() as one:
                client = httpx.AsyncClient(
                    base_url=aisle.url, headers=headers, limits=one_connection, timeout=40
                )
                await one.enter_async_context(client)
                answer = await client.get("/health/live")
                port: int = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
                pid = serves(aisle, port)
                if pid is None or pid in found:
                    continue
                found[pid] = client
                stack.push_async_exit(one.pop_all())
            if len(found) == 2:
                yield [found[pid] for pid in sorted(found)]
                return
    raise AssertionError(f"only one gateway takes connections: {set(found)}")


@contextlib.asynccontextmanager
async def sockets_at_each(
    aisle: RunningAisle, path: str = "/api/me/live", **options: Any
) -> AsyncIterator[list[Live]]:
    """Yields two live sockets at different gateways."""
    found: dict[int, Live] = {}
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(_TRIES):
            async with contextlib.AsyncExitStack() as one:
                opened = await one.enter_async_context(live(aisle, path, **options))
                connection: socket.socket = opened.connection.transport.get_extra_info("socket")
                pid = serves(aisle, connection.getsockname()[1])
                if pid is None or pid in found:
                    continue
                found[pid] = opened
                stack.push_async_exit(one.pop_all())
            if len(found) == 2:
                yield [found[pid] for pid in sorted(found)]
                return
    raise AssertionError(f"only one gateway takes sockets: {set(found)}")
