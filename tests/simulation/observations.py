"""Observations of a run, in order: the input of the checker, and the trace that is printed for a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.commands.outcomes import Outcome
from gateway.http.problems import Problem
from schemas.commands import Command
from schemas.ids import Position
from seat_workers.batch import Batch


class Lost(msgspec.Struct, frozen=True):
    """No response: the connection was lost, or the client gave up."""

    why: str


class Request(msgspec.Struct):
    """One request of one client, and its response. `sent` and `answered` are numbers of `Observations.count`."""

    client: str
    gateway: str
    command: Command
    wait_s: float
    sent: int
    sent_s: float
    answered: int | None = None
    answered_s: float = 0.0
    answer: Outcome | Problem | Lost | None = None


class Commit(msgspec.Struct, frozen=True):
    """A batch that reached the database, and its result."""

    at: int
    part: str
    batch: Batch
    refused: Exception | None
    unawaited: bool
    """Whether no process was waiting for the result any more."""


class Published(msgspec.Struct, frozen=True):
    """A message that a process published on a Redis channel, or (channel `events`) a record."""

    at: int
    part: str
    channel: str
    body: bytes


class Observations:
    """The observations of one run. `log` adds a line to the trace, if tracing is on."""

    def __init__(self, now_s: Callable[[], float], *, tracing: bool) -> None:
        self._now_s = now_s
        self._tracing = tracing
        self._lines: list[tuple[float, str, str, tuple[Any, ...]]] = []
        self._count = 0
        self.requests: list[Request] = []
        self.commits: list[Commit] = []
        self.torn_tables: list[str] = []
        """Violations in the tables of claims and bookings as a commit left them."""
        self.published: list[Published] = []
        self.takes: list[tuple[int, str, int]] = []
        """(number of the moment, process, partition)"""
        self.revokes: list[tuple[int, str, int]] = []
        """As `takes`, for revokes in good order; without the forced ones."""
        self.assignments: list[tuple[int, str, int]] = []
        """As `takes`, for partitions that a worker begins with or goes on with, at the end of `assigned`."""
        self.exits: list[tuple[str, BaseException]] = []
        """Processes that ended with an error."""
        self.polls: list[tuple[Position, Any]] = []
        """Responses to requests for a command's status: (position, decision)."""

    def count(self) -> int:
        """Numbers the present moment: grows by one with each call."""
        self._count += 1
        return self._count

    def log(self, source: str, text: str, *details: Any) -> None:
        if self._tracing:
            self._lines.append((self._now_s(), source, text, details))

    def trace(self) -> str:
        """The trace as text, a line per entry: seconds, source, event."""
        return "\n".join(
            f"{at_s:9.4f}  {source:<14} {text}{''.join(f' {_shown(one)}' for one in details)}"
            for at_s, source, text, details in self._lines
        )


def _shown(detail: Any) -> str:
    match detail:
        case Batch():
            ends = [f"{p}-{a.expected}…{a.next - 1} epoch {a.epoch}" for p, a in detail.advances.items()]
            return f"[{', '.join(ends)}: {'; '.join(_shown(one) for one in detail.decided)}]"
        case _ if hasattr(detail, "decision") and hasattr(detail, "position"):
            command = getattr(detail, "command", None)
            what = "" if command is None else f" {type(command).__name__}"
            return f"{detail.position}{what} → {_shown(detail.decision)}"
        case _ if hasattr(detail, "reason") and hasattr(detail, "events"):
            reason = "accepted" if detail.reason is None else detail.reason.value
            repeats = "" if detail.repeats is None else f" (again, as at {detail.repeats})"
            booking = "" if detail.booking is None else f" {_shown(detail.booking)}"
            events = [type(event).__name__ for event in detail.events]
            return f"{reason}{repeats}{booking}{' ' + '+'.join(events) if events else ''}"
        case _ if hasattr(detail, "booking_id") and hasattr(detail, "status"):
            return f"booking …{str(detail.booking_id)[-4:]} {detail.status.value} {','.join(detail.seats)}"
        case _ if hasattr(detail, "command_id"):
            return _command(detail)
        case BaseException():
            return f"{type(detail).__name__}: {detail}"
        case bytes():
            return detail.decode(errors="replace")
        case _:
            return str(detail)


def _command(command: Any) -> str:
    left_out = (
        *("command_id", "show_id", "user_id", "staff", "reply_to", "booking_id", "with_booking_id"),
        "layout_digest",
    )
    fields = {
        name: value
        for name in command.__struct_fields__
        if name not in left_out and (value := getattr(command, name)) not in (None, (), 0, True)
    }
    booking = getattr(command, "booking_id", None)
    named = "" if booking is None else f" booking …{str(booking)[-4:]}"
    if (other := getattr(command, "with_booking_id", None)) is not None:
        named += f" with …{str(other)[-4:]}"
    given = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
    source = "staff" if command.staff else f"user {command.user_id}"
    return (
        f"{type(command).__name__} show {command.show_id}{named}{given} by {source} id …"
        f"{str(command.command_id)[-4:]}"
    )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
