"""How many people there are when. PURE: a second of the run in, a crowd out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

ARRIVAL_S = 60.0
"""At the start of a sale everybody arrives within so long, or within a third of a shorter run."""
STEPS = 10
"""Of a ramp."""


class Shape(StrEnum):
    """How a crowd comes together."""

    SPIKE = "spike"
    """A tenth is there early; when the sale starts, everybody else arrives within a minute."""
    RAMP = "ramp"
    """Ten equal steps over four fifths of the run, to see where answers become slow."""
    SOAK = "soak"
    """Everybody over a tenth of the run, at most five minutes, and then the same crowd to the end."""


class UserCount(NamedTuple):
    """How many people are wanted, and how many a second may come or go until they are as many."""

    users: int
    per_second: float


def sale_starts_s(shape: Shape, length_s: float) -> float:
    """Seconds into a run at which a sale should start, so that the crowd comes for it."""
    return length_s / 10 if shape is Shape.SPIKE else 0.0


def user_count_at(shape: Shape, at_s: float, *, users: int, length_s: float) -> UserCount | None:
    """The crowd `at_s` seconds into a run of `length_s`; None once it is over."""
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
