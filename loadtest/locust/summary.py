"""Texts that a run prints at its end. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.locust.observations import Observations

MAX_LISTED = 20
"""Errors that are printed one by one; there may be thousands of a kind."""


def outcome_summary(observations: Observations) -> list[str]:
    """Outcomes of the users' actions, the most frequent first, and the CPU that the load generator used."""
    lines = ["Outcomes:"]
    lines += [
        f"{count:>9,}  {outcome}"
        for outcome, count in sorted(observations.outcomes.items(), key=lambda one: -one[1])
    ]
    if observations.requests:
        each_us = observations.cpu_s / observations.requests * 1e6
        lines.append(
            f"{observations.requests:,} requests took {observations.cpu_s:.1f} s of the load generator's CPU, "
            f"{each_us:.0f} µs each."
        )
    return lines


def check_summary(observations: Observations, errors: Sequence[str]) -> list[str]:
    """The result of the check, with its first errors."""
    bookings = len({one.booking_id for one in observations.acknowledged})
    checked = (
        f"{len(observations.acknowledged):,} acknowledgements of {bookings:,} bookings, "
        f"{len(observations.unknown):,} requests with an unknown outcome"
    )
    if not errors:
        return [f"CHECK PASSED: {checked}; no seat was sold twice."]
    lines = [f"ERROR: {error}." for error in errors[:MAX_LISTED]]
    if len(errors) > MAX_LISTED:
        lines.append(f"… and {len(errors) - MAX_LISTED:,} more.")
    return [*lines, f"CHECK FAILED: {len(errors):,} errors; {checked}."]
