"""Recorded requests, responses and faults of a storm, for the checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

Kind = Literal["book", "hold", "confirm", "cancel"]


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An HTTP request and its response. Times are in seconds of one monotonic clock."""

    sent: float
    ended: float
    status: int = 0
    """0: no response; `error` is the reason."""
    error: str = ""
    body: Any = None
    location: str = ""
    retry_after: str = ""
    replayed: bool = False
    command: Any = None
    """For a 202: the final response of its Location."""
    decided_at: float = 0.0
    """Time of that response."""

    @property
    def code(self) -> str:
        """The code of a problem, or an empty string."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


class Outcome(msgspec.Struct, frozen=True):
    """The known outcome of a request, from one attempt."""

    status: int
    """Status of a response with waiting: 201, 200 or 409."""
    body: Any
    at: float
    """Time at which it was known: the decision is not later."""


class Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request of a client, with all its attempts under one Idempotency-Key."""

    user_id: int
    show_id: int
    kind: Kind
    key: str | None
    seats: tuple[str, ...] = ()
    quantity: int = 0
    """Number of best adjacent seats, without named seats."""
    hold_s: int = 0
    """Lifetime of a hold in seconds."""
    booking_id: str = ""
    """The booking to confirm or cancel."""
    attempts: list[Attempt] = msgspec.field(default_factory=list)

    @property
    def makes(self) -> bool:
        """True for a new booking, False for a change of one."""
        return self.kind in ("book", "hold")

    @property
    def path(self) -> str:
        if self.makes:
            return f"/api/shows/{self.show_id}/{'bookings' if self.kind == 'book' else 'holds'}"
        return f"/api/bookings/{self.booking_id}/{self.kind}"

    @property
    def json(self) -> dict[str, Any]:
        """The request body."""
        body: dict[str, Any] = {"hold_s": self.hold_s} if self.hold_s else {}
        if self.seats:
            body["seats"] = list(self.seats)
        elif self.quantity:
            body["quantity"] = self.quantity
        return body

    @property
    def outcomes(self) -> list[Outcome]:
        """All known outcomes."""
        known = []
        for attempt in self.attempts:
            if attempt.status in (200, 201, 409):
                known.append(Outcome(attempt.status, attempt.body, attempt.ended))
            elif attempt.status == 202 and attempt.command is not None:
                if attempt.command["status"] == "accepted":
                    status, body = 201 if self.makes else 200, attempt.command["booking"]
                    known.append(Outcome(status, body, attempt.decided_at))
                elif attempt.command["status"] == "refused":
                    problem = attempt.command["problem"]
                    known.append(Outcome(problem["status"], problem, attempt.decided_at))
        return known

    @property
    def accepted(self) -> Any:
        """The booking in the response, or None."""
        return next((outcome.body for outcome in self.outcomes if outcome.status < 300), None)

    @property
    def refused(self) -> Outcome | None:
        """The refusal, or None."""
        return next((outcome for outcome in self.outcomes if outcome.status >= 400), None)

    @property
    def in_doubt(self) -> bool:
        """True with unknown outcomes: without a key, each attempt counts separately."""
        unknown = sum(attempt.status in (0, 503) for attempt in self.attempts)
        return bool(unknown) and (self.key is None or not self.outcomes)


class Fault(msgspec.Struct, kw_only=True):
    """A fault of a part, with its begin and the recovery of the part."""

    part: str
    how: str
    began: float
    over: float = 0.0


class History(msgspec.Struct, kw_only=True):
    """The record of a storm."""

    requests: list[Request] = msgspec.field(default_factory=list)
    faults: list[Fault] = msgspec.field(default_factory=list)
    clock_s: float = 0.0
    """Difference between Unix time and the times here, in seconds."""

    def save(self, path: Path) -> None:
        """Saves the history for the analysis of violations."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
