"""Intentions of a user who wants seats. PURE: random numbers in, a visit out.

The shares follow reports of box offices on the start of a sale: most users book two seats, more than half hold seats
before they pay, and a third of those never pay, pay too late or give the seats back.
"""

from __future__ import annotations

import random
from enum import StrEnum

import msgspec

SIZES = {1: 15, 2: 50, 3: 15, 4: 15, 6: 4, 10: 1}
"""Numbers of seats with their weights."""


class Ending(StrEnum):
    """End of a hold."""

    PAYS = "pays"
    LEAVES = "leaves"
    """The user leaves; the hold expires."""
    PAYS_LATE = "pays late"
    """The user pays after the hold has expired."""
    GIVES_BACK = "gives back"


ENDINGS = {Ending.PAYS: 60, Ending.LEAVES: 15, Ending.PAYS_LATE: 15, Ending.GIVES_BACK: 10}


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One visit for seats of one show."""

    size: int
    row: int
    """Preferred row, counted from the best; most users prefer the same few."""
    holds: bool
    """Hold first; else book at once."""
    ending: Ending
    tries: int
    """Number of selections, including those after a refusal."""
    impatient: bool
    """Send the same request twice, like a second click."""
    thinks_s: float
    """Time between the seat map and the request."""
    pays_after_s: float
    rests_s: float
    """Time until the next visit."""


def draw(rng: random.Random) -> Visit:
    """Draws the next visit of a user."""
    return Visit(
        size=rng.choices(tuple(SIZES), tuple(SIZES.values()))[0],
        row=int(rng.expovariate(1 / 3)),
        holds=rng.random() < 0.6,
        ending=rng.choices(tuple(ENDINGS), tuple(ENDINGS.values()))[0],
        tries=2 + int(rng.expovariate(1 / 3)),
        impatient=rng.random() < 0.05,
        thinks_s=rng.uniform(0.3, 3.0),
        pays_after_s=rng.uniform(1.0, 15.0),
        rests_s=rng.uniform(3.0, 15.0),
    )
