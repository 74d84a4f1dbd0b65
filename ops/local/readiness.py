"""Waiting until an instance is ready for bookings."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time

import msgspec

from runtime.process import CannotStart

READY_S = 60.0
_PAUSE_S = 0.1


def own_address(host: str, port: int) -> tuple[str, int]:
    """Returns the address by which this machine reaches a socket bound to this host and port."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


async def wait_until_ready(listener: socket.socket) -> None:
    """Polls `/health/ready` of the gateways behind this socket. Raises CannotStart after a minute."""
    host, port = own_address(*listener.getsockname()[:2])
    deadline = time.monotonic() + READY_S
    while (missing := await asyncio.to_thread(_missing, host, port)) is not None:
        if time.monotonic() > deadline:
            raise CannotStart(f"no bookings can be made after {READY_S:.0f} s: {missing}")
        await asyncio.sleep(_PAUSE_S)


def _missing(host: str, port: int) -> str | None:
    """Returns the missing parts; None when the instance is ready."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no gateway answers ({error or type(error).__name__})"
    finally:
        connection.close()
    if answer.status == 200:
        return None
    try:
        return ", ".join(msgspec.json.decode(body)["missing"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"/health/ready returns {answer.status}"
