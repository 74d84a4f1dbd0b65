"""Ports that nobody listens on, for the servers that the benchmark starts."""

from __future__ import annotations

import socket


def free_port(following: int = 0) -> int:
    """A port of 127.0.0.1 that is free now, and so are the `following` ones after it."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if all(_is_free(port + n) for n in range(1, following + 1)):
                return port


def _is_free(port: int) -> bool:
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True
