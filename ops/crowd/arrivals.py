"""When customers come: a rush when sales open, then waves, fewer towards the end. Pure."""

from __future__ import annotations

from random import Random

_RUSH = 0.22
"""Part of the customers who wait for the opening."""
_RUSH_UNTIL = 0.08
_LAST = 0.88
"""Part of the time after which nobody comes, so that those who are there can finish."""
_WAVES = (0.25, 0.45, 0.68)


def arrival_times(people: int, for_s: float, dice: Random) -> list[float]:
    """Returns the seconds after which each of `people` customers arrives, in order."""
    found = []
    for _ in range(people):
        if dice.random() < _RUSH:
            at = dice.betavariate(1, 2.5) * _RUSH_UNTIL
        elif dice.random() < 0.5:
            at = dice.triangular(0, _LAST, 0.1)
        else:
            at = dice.gauss(dice.choice(_WAVES), 0.06)
        found.append(min(max(at, 0.0), _LAST) * for_s)
    return sorted(found)
