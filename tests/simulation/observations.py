"""What happened in a run, in order: what the checker goes by, and what the trace of a failure is told from."""

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
    """No answer: the connection broke, or the client gave up."""

    why: str


class Request(msgspec.Struct):
    """One request of one client: what it asked, what it saw. `sent` and `answered` count all that happened."""

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
    """A batch that reached the database, and what became of it."""

    at: int
    part: str
    batch: Batch
    refused: Exception | None
    unawaited: bool
    """Whether nobody waited any more for its answer."""


class Published(msgspec.Struct, frozen=True):
    """What a part told the world: a message on a Redis channel, or (channel `events`) a record."""

    at: int
    part: str
    channel: str
    body: bytes


class Observations:
    """The record of one run. `tell` adds a line to the trace, when there is to be one."""

    def __init__(self, now_s: Callable[[], float], *, tracing: bool) -> None:
        self._now_s = now_s
        self._tracing = tracing
        self._lines: list[tuple[float, str, str, tuple[Any, ...]]] = []
        self._count = 0
        self.requests: list[Request] = []
        self.commits: list[Commit] = []
        self.published: list[Published] = []
        self.takes: list[tuple[int, str, int]] = []
        """(when, source, which partition)"""
        self.revokes: list[tuple[int, str, int]] = []
        """As `takes`; without those that were let go in haste."""
        self.exits: list[tuple[str, BaseException]] = []
        """Processes that ended by an error of their own."""
        self.polls: list[tuple[Position, Any]] = []
        """What clients saw source asked for the fate of a command: position, decision."""

    def count(self) -> int:
        """The number of what is happening now: grows by one each time."""
        self._count += 1
        return self._count

    def log(self, source: str, text: str, *details: Any) -> None:
        if self._tracing:
            self._lines.append((self._now_s(), source, text, details))

    def trace(self) -> str:
        """All that was told, one line each: seconds, source, what."""
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
    left_out = ("command_id", "show_id", "user_id", "staff", "reply_to", "booking_id", "layout_digest")
    fields = {
        name: value
        for name in command.__struct_fields__
        if name not in left_out and (value := getattr(command, name)) not in (None, (), 0, True)
    }
    booking = getattr(command, "booking_id", None)
    named = "" if booking is None else f" booking …{str(booking)[-4:]}"
    given = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
    source = "staff" if command.staff else f"user {command.user_id}"
    return (
        f"{type(command).__name__} show {command.show_id}{named}{given} by {source} id …"
        f"{str(command.command_id)[-4:]}"
    )


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
