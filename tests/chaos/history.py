"""Recorded requests, responses and faults of a storm, for the checks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from tests.chaos.show_plans import CURRENCY, ShowPlan

Kind = Literal["book", "hold", "confirm", "cancel", "extend", "seats", "swap", "block", "unblock"]
"""What a request does: `seats` changes the seats of a booking, the others as they are called."""


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
    """Status of a response with waiting: 201, 200, 400 or 409."""
    body: Any
    at: float
    """Time at which it was known: the decision is not later."""


class Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request of a client, with all its attempts under one Idempotency-Key."""

    user_id: int
    show_id: int
    kind: Kind
    key: str | None
    staff: bool = False
    seats: tuple[str, ...] = ()
    quantity: int = 0
    """Number of best seats, without named seats."""
    apart: bool = False
    """With `quantity`: the seats may be apart."""
    accessible: bool = False
    """With `quantity`: accessible seats and companion seats beside them."""
    max_price: int | None = None
    """With `quantity`: the highest price of a seat, in minor units."""
    hold_s: int = 0
    """Lifetime of a hold in seconds."""
    customer_id: int = 0
    """The customer for whom staff book; 0: a walk-in."""
    lift_limit: bool = False
    note: str | None = None
    paid: str | None = None
    booking_id: str = ""
    """The booking to change."""
    with_id: str = ""
    """The other booking of a swap."""
    code: str = ""
    """The code of a block, another one in each request."""
    release_s: float | None = None
    """When a block is released, in Unix seconds."""
    attempts: list[Attempt] = msgspec.field(default_factory=list)

    @property
    def makes(self) -> bool:
        """True for a new booking, False for a change of one or of the show."""
        return self.kind in ("book", "hold")

    @property
    def withholds(self) -> bool:
        """True for a change of the show's blocked seats, which is about no booking."""
        return self.kind in ("block", "unblock")

    @property
    def owner_id(self) -> int | None:
        """The owner of the booking that this makes; None for a walk-in."""
        return (self.customer_id or None) if self.staff else self.user_id

    @property
    def path(self) -> str:
        if self.makes:
            return f"/api/shows/{self.show_id}/{'bookings' if self.kind == 'book' else 'holds'}"
        if self.withholds:
            return f"/api/shows/{self.show_id}/{self.kind}"
        return f"/api/bookings/{self.booking_id}/{self.kind}"

    @property
    def json(self) -> dict[str, Any]:
        """The request body."""
        release = None if self.release_s is None else datetime.fromtimestamp(self.release_s, UTC)
        fields = {
            "seats": list(self.seats),
            "quantity": self.quantity,
            "kind": "accessible" if self.accessible else None,
            "max_price": None if self.max_price is None else {"amount": self.max_price, "currency": CURRENCY},
            "hold_s": self.hold_s,
            "user_id": self.customer_id,
            "lift_limit": self.lift_limit,
            "note": self.note,
            "paid": self.paid,
            "with": self.with_id,
            "code": self.code,
            "release_at": release and release.isoformat(timespec="milliseconds"),
        }
        body = {name: value for name, value in fields.items() if value}
        return body | ({"adjacent": False} if self.apart else {})

    @property
    def first_sent(self) -> float:
        """When it was first sent: it is not decided before."""
        return min(attempt.sent for attempt in self.attempts)

    @property
    def outcomes(self) -> list[Outcome]:
        """All known outcomes."""
        known = []
        for attempt in self.attempts:
            if attempt.status in (200, 201):
                # The body of a block is the show, which may change at any time.
                known.append(Outcome(attempt.status, {} if self.withholds else attempt.body, attempt.ended))
            elif attempt.status in (400, 409):
                known.append(Outcome(attempt.status, attempt.body, attempt.ended))
            elif attempt.status == 202 and attempt.command is not None:
                if attempt.command["status"] == "accepted":
                    status, body = 201 if self.makes else 200, attempt.command.get("booking", {})
                    known.append(Outcome(status, body, attempt.decided_at))
                elif attempt.command["status"] == "refused":
                    problem = attempt.command["problem"]
                    known.append(Outcome(problem["status"], problem, attempt.decided_at))
        return known

    @property
    def known_at(self) -> float:
        """When its outcome was first known: it is not decided later. Only with an outcome."""
        return min(outcome.at for outcome in self.outcomes)

    @property
    def accepted(self) -> Any:
        """The booking in the response, an empty object for a block, or None."""
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
    shows: list[ShowPlan] = msgspec.field(default_factory=list)
    clock_s: float = 0.0
    """Difference between Unix time and the times here, in seconds."""

    def save(self, path: Path) -> None:
        """Saves the history for the analysis of violations."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
