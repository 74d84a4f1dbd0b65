"""Messages between the `aisle` command and the supervisor of a home: one request, then lines, then one result."""

from __future__ import annotations

import msgspec

PROTOCOL = 1
"""Version of these messages. A supervisor of another release may have another one, and then refuses."""

NAME = "control"
"""Name of the socket, in the folder `run` of the home."""

MAX_MESSAGE = 1024 * 1024

DO_WITHIN_S = 90.0
"""Timeout of a request."""


class Scale(msgspec.Struct, frozen=True, tag="scale"):
    """Add or remove processes. None leaves a kind as it is."""

    workers: int | None = None
    gateways: int | None = None

    def __str__(self) -> str:
        given = (("workers", self.workers), ("gateways", self.gateways))
        return " ".join(["scale", *(f"{name}={count}" for name, count in given if count is not None)])


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Replace processes one by one: `workers`, `gateways`, `notifier` or `all`."""

    part: str

    def __str__(self) -> str:
        return f"restart {self.part}"


class ListProcesses(msgspec.Struct, frozen=True, tag="ps"):
    """List the processes."""


class Request(msgspec.Struct, frozen=True):
    """A request of a command."""

    protocol: int
    do: Scale | Restart | ListProcesses


class ProcessRow(msgspec.Struct, frozen=True):
    """One process. `pid` and what follows are None while it is down, to be started again."""

    name: str
    pid: int | None = None
    since: float | None = None
    """Unix time."""
    cpu_percent: float | None = None
    """Of one core, during a moment."""
    memory_bytes: int | None = None
    """Resident set."""
    partitions: list[int] | None = None
    """Of a seat worker; None for others, and for one that does not answer."""


class Line(msgspec.Struct, frozen=True, tag="line"):
    """A step that is done."""

    text: str


class Processes(msgspec.Struct, frozen=True, tag="processes"):
    """The result of ListProcesses."""

    rows: list[ProcessRow]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The request was carried out."""

    lines: list[str] = []


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The request was not carried out, or not to its end."""

    reason: str


Reply = Line | Processes | Done | Refused

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode


def socket_address(folder: int) -> str:
    """The address of the socket in an open folder: short, however long the path of the folder is."""
    return f"/proc/self/fd/{folder}/{NAME}"
