"""Errors of appending a command to the log."""

from __future__ import annotations

from typing import Any

from gateway.http.problems import Problem
from runtime.log import LogUnavailable
from schemas.commands import Command


def append_cancelled() -> LogUnavailable:
    """Returns the error of an append that was cancelled: its outcome is unknown."""
    return LogUnavailable("the log was closed before it answered", outcome_unknown=True)


def append_problem(error: LogUnavailable, command: Command) -> Problem:
    """Returns the problem for a command that was not appended, or whose append has an unknown outcome."""
    if not error.outcome_unknown:
        return Problem(
            "log_unavailable", "Not taken: the log does not answer. Try again in a moment.", retry_after_s=2
        )
    extra: dict[str, Any] = {"outcome": "unknown"}
    booking_id = getattr(command, "booking_id", None)
    if booking_id is not None:
        extra["booking_id"] = str(booking_id)
    return Problem(
        "log_unavailable",
        "The log may or may not have taken this. Send it again with the same Idempotency-Key: it is never"
        " done twice. Without a key, look at your bookings first.",
        retry_after_s=2,
        extra=extra,
    )
