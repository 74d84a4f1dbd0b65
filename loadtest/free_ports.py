"""Ports that nobody listens on, for the servers that the benchmark starts."""

from __future__ import annotations

import random
import socket


def free_port(following: int = 0) -> int:
    """A port of 127.0.0.1 that is free now, and so are the `following` ones after it.

    Below those that connections get for their own end, of which one could take it before we do.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        if all(_is_free(port + n) for n in range(following + 1)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
