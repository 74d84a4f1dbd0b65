"""Free ports for the servers that the benchmark starts."""

from __future__ import annotations

import random
import socket


def free_port(following: int = 0) -> int:
    """Returns a free port of 127.0.0.1 that is followed by `following` free ports.

    It is below the ephemeral ports, so that no outgoing connection takes it in the meantime.
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
