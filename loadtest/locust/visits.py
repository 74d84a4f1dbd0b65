"""What somebody who comes for seats has in mind. PURE: dice in, a visit out.

The shares are what box offices tell of an on-sale: most come in twos, more than half hold seats while they look
for their card, and of those every third never pays, pays too late or gives the seats back.
"""

from __future__ import annotations

import random
from enum import StrEnum

import msgspec

SIZES = {1: 15, 2: 50, 3: 15, 4: 15, 6: 4, 10: 1}
"""How many seats, with weights."""


class Ending(StrEnum):
    """What becomes of a hold."""

    PAYS = "pays"
    LEAVES = "leaves"
    """Closes the page; the hold runs out."""
    PAYS_LATE = "pays late"
    """Comes back with the card once the hold has run out."""
    GIVES_BACK = "gives back"


ENDINGS = {Ending.PAYS: 60, Ending.LEAVES: 15, Ending.PAYS_LATE: 15, Ending.GIVES_BACK: 10}


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One visit for seats of one show."""

    size: int
    row: int
    """The row they hope for, counted from the best; most hope for the same few."""
    holds: bool
    """Holds first; else books at once."""
    ending: Ending
    tries: int
    """How often they choose again after somebody was quicker."""
    impatient: bool
    """Sends the same request twice, as a second click does."""
    thinks_s: float
    """Between looking and asking."""
    pays_after_s: float
    rests_s: float
    """Until the next visit."""


def draw(rng: random.Random) -> Visit:
    """Somebody's next visit."""
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
