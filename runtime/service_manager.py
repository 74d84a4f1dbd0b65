"""Notices of a service to the process that manages it, in the protocol of systemd (sd_notify).

A manager names a datagram socket in NOTIFY_SOCKET; without one, nothing is sent.
"""

from __future__ import annotations

import os
import socket

import structlog

READY = "READY=1"
"""The service does its work, or stands by for it."""
PREPARED = "X_AISLE_PREPARED=1"
"""A successor is started as far as it can be while its predecessor works."""
STOPPING = "STOPPING=1"

_log = structlog.get_logger()


def notify(state: str) -> None:
    """Sends a state to the manager. A failure is logged: the service itself is not at fault."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(address)
            sender.sendall(state.encode())
    except OSError as error:
        _log.warning("manager_not_notified", state=state, error=error.strerror)
