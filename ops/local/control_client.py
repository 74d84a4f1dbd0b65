"""Requests to the supervisor of a home, for the `aisle` command."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from ops.local.control_messages import (
    DO_WITHIN_S,
    MAX_MESSAGE,
    PROTOCOL,
    Line,
    ListProcesses,
    Refused,
    Reply,
    Request,
    Restart,
    Scale,
    decode_reply,
    encode,
    socket_address,
)
from ops.local.home import HomeInUse, lock_home
from runtime.process import CannotStart

_LATE_S = 10.0


def request(home: Path, do: Scale | Restart | ListProcesses, report: Callable[[str], None]) -> Reply:
    """Returns the result of a request; `report` receives a line for each step. Raises CannotStart."""
    with _connect(home) as connection, connection.makefile("rb") as replies:
        connection.settimeout(DO_WITHIN_S + _LATE_S)
        try:
            connection.sendall(encode(Request(PROTOCOL, do)) + b"\n")
            while line := replies.readline(MAX_MESSAGE):
                reply: Reply = decode_reply(line)
                if not isinstance(reply, Line):
                    return reply
                report(reply.text)
        except TimeoutError:
            return Refused("the `aisle up` of this home does not answer; see its last log lines")
        except OSError:
            pass
        except msgspec.DecodeError:
            return Refused(
                "the `aisle up` of this home is of another release; "
                "stop and start it, or use the `aisle` of its release"
            )
        return Refused("the `aisle up` of this home has ended meanwhile; see its last log lines")


def _connect(home: Path) -> socket.socket:
    """Connects to the supervisor of a home. Raises CannotStart when there is none."""
    folder = home / "run"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(socket_address(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        connection.close()
        if isinstance(error, PermissionError):
            raise CannotStart(
                f"AISLE_HOME={home}: its `aisle up` belongs to another user; run this as that user"
            ) from None
        raise CannotStart(_nobody(home)) from None
    return connection


def _nobody(home: Path) -> str:
    if home.is_dir():
        try:
            with lock_home(home, "an `aisle` command"):
                pass
        except HomeInUse:
            return (
                f"AISLE_HOME={home}: its `aisle up` takes no commands: it is starting or stopping, or of "
                "a release without them; try again, or stop and start it"
            )
        except CannotStart as error:
            return str(error)
    return f"AISLE_HOME={home}: no `aisle up` runs in this home; start it, or set AISLE_HOME to its home"
