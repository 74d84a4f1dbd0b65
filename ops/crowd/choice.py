"""Customers' choice of seats: groups of one to six, good seats first, beside others rather than alone. Pure.

Everybody values the middle of a section's front, so groups compete for the same seats and clusters grow from there.
Tastes differ a bit, so that the house does not fill like a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ops.crowd.house import AVAILABLE, House, Run

GROUP_SIZES = (1, 2, 3, 4, 5, 6)
_GROUP_WEIGHTS = (14, 44, 13, 19, 5, 5)
_LOOKED_AT = 40
"""Runs of seats that a customer looks at; in a small house all of a section's."""
_TASTE = 0.22
_BESIDE_OTHERS = 0.08
_SINGLE_LEFT = 0.25


def group_size(dice: Random) -> int:
    """Returns how many seats a customer wants."""
    return dice.choices(GROUP_SIZES, _GROUP_WEIGHTS)[0]


def choose_seats(
    house: House, states: Sequence[str], size: int, dice: Random, *, near: int | None = None
) -> list[int] | None:
    """Returns `size` available seats side by side; None where there are none.

    `near`: a seat whose section is looked at first, after a choice that somebody else got.
    """
    for section in _sections(house, states, dice, near):
        runs = house.runs[section]
        if len(runs) > _LOOKED_AT:
            runs = dice.sample(runs, _LOOKED_AT)
        best: tuple[float, int] | None = None
        for run in runs:
            for start in _free_blocks(house, states, run, size):
                value = _value(house, states, run, start, size) + dice.gauss(0, _TASTE)
                if best is None or value > best[0]:
                    best = (value, start)
        if best is not None:
            return [*range(best[1], best[1] + size)]
    return None


def choose_accessible(house: House, states: Sequence[str], dice: Random) -> list[int] | None:
    """Returns an available accessible seat and a companion's beside it; None where there are none."""
    pairs = [
        [seat, other]
        for runs in house.runs
        for run in runs
        for seat in range(run.start, run.end)
        for other in (seat - 1, seat + 1)
        if house.kinds[seat] == "w"
        and run.start <= other < run.end
        and house.kinds[other] == "c"
        and states[seat] == states[other] == AVAILABLE
    ]
    return sorted(dice.choice(pairs)) if pairs else None


def _sections(house: House, states: Sequence[str], dice: Random, near: int | None) -> list[int]:
    """All sections, in the order of this customer's taste: likelier first where there are many free seats."""
    weighted = []
    for section, runs in enumerate(house.runs):
        free = sum(states[run.start : run.end].count(AVAILABLE) for run in runs)
        liking = (free + 1) * (len(house.runs) + 2 - section)
        if near is not None and runs[0].start <= near < runs[-1].end:
            liking *= 50
        weighted.append((dice.random() ** (1 / liking), section))
    return [section for _, section in sorted(weighted, reverse=True)]


def _free_blocks(house: House, states: Sequence[str], run: Run, size: int) -> list[int]:
    """First seats of the blocks of free seats that are no accessible or companion seats."""
    free = [states[seat] == AVAILABLE and house.kinds[seat] not in "wc" for seat in range(run.start, run.end)]
    return [run.start + n for n in range(len(free) - size + 1) if all(free[n : n + size])]


def _value(house: House, states: Sequence[str], run: Run, start: int, size: int) -> float:
    end = start + size
    value = sum(house.quality[start:end]) / size
    if house.kinds[start] == "r":
        value -= 0.2
    for beside, beyond in ((start - 1, start - 2), (end, end + 1)):
        if run.start <= beside < run.end:
            if states[beside] != AVAILABLE:
                value += _BESIDE_OTHERS
            elif not run.start <= beyond < run.end or states[beyond] != AVAILABLE:
                value -= _SINGLE_LEFT
    return value
