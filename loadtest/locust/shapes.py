"""Number of users over time. PURE: a second of the run in, a number of users out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

ARRIVAL_S = 60.0
"""Time in which all users arrive at the start of a sale; at most a third of the run."""
STEPS = 10
"""Steps of a ramp."""


class Shape(StrEnum):
    """Number of users over time."""

    SPIKE = "spike"
    """A tenth of the users at first; all others within a minute from the start of the sale."""
    RAMP = "ramp"
    """Ten equal steps over four fifths of the run, which shows where responses become slow."""
    SOAK = "soak"
    """All users within the first tenth of the run, at most five minutes, then constant."""


class UserCount(NamedTuple):
    """Target number of users, and how many start or stop per second to reach it."""

    users: int
    per_second: float


def sale_starts_s(shape: Shape, length_s: float) -> float:
    """Start of the sale in seconds into the run."""
    return length_s / 10 if shape is Shape.SPIKE else 0.0


def user_count_at(shape: Shape, at_s: float, *, users: int, length_s: float) -> UserCount | None:
    """Target `at_s` seconds into a run of `length_s`; None when it is over."""
    if at_s >= length_s:
        return None
    match shape:
        case Shape.SPIKE:
            if at_s < sale_starts_s(shape, length_s):
                early = max(1, users // 10)
                return UserCount(early, float(early))
            return UserCount(users, users / min(ARRIVAL_S, length_s / 3))
        case Shape.RAMP:
            step_s = length_s * 0.8 / STEPS
            step = min(int(at_s / step_s) + 1, STEPS)
            wanted = max(1, users * step // STEPS)
            return UserCount(wanted, max(1.0, users / STEPS / step_s * 2))
        case Shape.SOAK:
            return UserCount(users, users / min(300.0, length_s / 10))
