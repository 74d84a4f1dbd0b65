"""Waiting until a house is ready for bookings."""

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
    """Where this machine reaches a socket that is bound there."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


async def wait_until_ready(listener: socket.socket) -> None:
    """Asks `/health/ready` behind this socket until it says yes. Raises CannotStart after a minute."""
    host, port = own_address(*listener.getsockname()[:2])
    deadline = time.monotonic() + READY_S
    while (missing := await asyncio.to_thread(_missing, host, port)) is not None:
        if time.monotonic() > deadline:
            raise CannotStart(f"no bookings can be made after {READY_S:.0f} s: {missing}")
        await asyncio.sleep(_PAUSE_S)


def _missing(host: str, port: int) -> str | None:
    """What is missing; None when the house is ready."""
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
        return f"/health/ready says {answer.status}"
