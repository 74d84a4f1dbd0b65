"""What the clients of a storm asked and saw, as they saw it: the evidence that is checked afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One HTTP request and what became of it. Times in seconds of one monotonic clock."""

    sent: float
    ended: float
    status: int = 0
    """0: there was no answer; `error` says why."""
    error: str = ""
    body: Any = None
    location: str = ""
    retry_after: str = ""
    replayed: bool = False
    fate: Any = None
    """For a 202: what its Location said in the end."""

    @property
    def code(self) -> str:
        """The code of a problem, or nothing."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


class Wish(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a client wants once: one request, sent as often as it takes, under one Idempotency-Key."""

    user_id: int
    show_id: int
    path: str
    key: str | None
    seats: tuple[str, ...] = ()
    """Of a booking; a wish that names none is about `booking_id`."""
    booking_id: str = ""
    attempts: list[Attempt] = msgspec.field(default_factory=list)

    @property
    def books(self) -> bool:
        """Whether it makes a booking; else it cancels one."""
        return bool(self.seats)

    @property
    def outcomes(self) -> list[tuple[Attempt, int, Any]]:
        """What is known for certain: (attempt, status as if it had been waited for, body)."""
        known: list[tuple[Attempt, int, Any]] = []
        for attempt in self.attempts:
            if attempt.status in (200, 201, 409):
                known.append((attempt, attempt.status, attempt.body))
            elif attempt.status == 202 and attempt.fate is not None:
                if attempt.fate["status"] == "accepted":
                    known.append((attempt, 201 if self.books else 200, attempt.fate["booking"]))
                elif attempt.fate["status"] == "refused":
                    known.append((attempt, attempt.fate["problem"]["status"], attempt.fate["problem"]))
        return known

    @property
    def accepted(self) -> Any:
        """The booking as it was answered, or None."""
        return next((body for _, status, body in self.outcomes if status < 300), None)


class Fault(msgspec.Struct, kw_only=True):
    """What was done to which part, and when it was over: the part runs again."""

    part: str
    how: str
    began: float
    over: float = 0.0


class History(msgspec.Struct, kw_only=True):
    """A whole storm."""

    wishes: list[Wish] = msgspec.field(default_factory=list)
    faults: list[Fault] = msgspec.field(default_factory=list)

    def save(self, path: Path) -> None:
        """Keeps it, to be looked at when something was wrong."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
