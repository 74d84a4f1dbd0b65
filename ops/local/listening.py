"""The listening socket: bound by the supervisor and inherited by the gateways, which can restart meanwhile."""

from __future__ import annotations

import errno
import socket
import time

from runtime.process import CannotStart

_BACKLOG = 2048
"""Length of the accept queue while no gateway accepts connections."""


def listen(host: str, port: int, *, retry_for_s: float = 0.0) -> socket.socket:
    """Returns a listening socket. Raises CannotStart with the name of the setting.

    A port that is in use is retried for `retry_for_s`: a killed process may be about to release it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"AISLE_HOST={host!r}: {error}") from None
    deadline = time.monotonic() + retry_for_s
    while True:
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise CannotStart(_error_message(error, host, port)) from None
        else:
            listener.setblocking(False)
            return listener


def _error_message(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"AISLE_PORT={port}: this port of {host} is in use; stop the program that uses it, or set another"
        )
    if error.errno == errno.EACCES:
        return f"AISLE_PORT={port}: this user may not listen on it; set one above 1023"
    return f"AISLE_HOST={host!r}: {error.strerror}"
