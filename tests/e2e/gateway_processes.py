"""Gateways as processes of their own on one listening socket, as the supervisor has them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx

from tests.conftest import TICKET_KEYS

_READY_S = 60


class GatewayProcesses:
    """Starts and stops gateways that share a listening socket."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self._listener = listener
        self._environment = environment
        self.port: int = listener.getsockname()[1]
        self._numbers = itertools.count(1)
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Starts one more gateway."""
        fd, number = self._listener.fileno(), next(self._numbers)
        own = {
            "AISLE_LISTEN_FD": str(fd),
            "AISLE_PROCESS": f"gateway-{number}",
            "AISLE_SUPERVISED": str(os.getpid()),
        }
        gateway = subprocess.Popen(
            [sys.executable, "-m", "gateway"],
            env={**self._environment, **own},
            pass_fds=[fd],
        )
        self.running.append(gateway)
        return gateway

    async def restart(self, gateway: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Stops a gateway in good order and starts its successor once it has ended."""
        gateway.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.wait, 60) == 0
        self.running.remove(gateway)
        return self.start()

    async def ready(self) -> None:
        """Waits until the gateways answer."""
        async with asyncio.timeout(_READY_S):
            while all(gateway.poll() is None for gateway in self.running):
                with contextlib.suppress(httpx.TransportError):
                    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
                        if (await client.get("/health/live")).status_code == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError("a gateway has ended")


@contextlib.contextmanager
def gateway_processes(settings: Mapping[str, str]) -> Iterator[GatewayProcesses]:
    """Gateways with these settings; at the end they have stopped in good order."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AISLE_")}
    own["AISLE_TICKET_KEYS"] = TICKET_KEYS
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setblocking(False)
        gateways = GatewayProcesses(listener, own | dict(settings))
        try:
            yield gateways
        finally:
            for gateway in gateways.running:
                gateway.send_signal(signal.SIGTERM)
            statuses = [gateway.wait(60) for gateway in gateways.running]
    assert all(status in (0, -signal.SIGTERM) for status in statuses), statuses
