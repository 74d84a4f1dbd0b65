"""Counts of the crowd's actions so far. Pure."""

from __future__ import annotations

from collections import Counter, deque
from statistics import median

import msgspec

_REFUSAL = "refused_"


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the crowd at one moment."""

    at_s: int
    arrived: int
    looking: int
    holding: int
    bought: int
    refused: int
    seats_left: int
    median_ms: float | None

    def line(self) -> str:
        """Returns it as one line for people."""
        took = "–" if self.median_ms is None else f"{self.median_ms:.0f} ms"
        return (
            f"{self.at_s:4} s  arrived {self.arrived:4}  looking {self.looking:4}  holding {self.holding:4}  "
            f"bought {self.bought:4}  refused {self.refused:4}  seats left {self.seats_left:5}  median {took}"
        )


class Tally:
    """Counters of the crowd, and the times that its requests took."""

    def __init__(self) -> None:
        self.did: Counter[str] = Counter()
        self.looking = 0
        self.holding = 0
        self.seats_left = 0
        self._recent_s: deque[float] = deque(maxlen=500)
        self._all_s: deque[float] = deque(maxlen=100_000)

    def took(self, seconds: float) -> None:
        """Counts a response."""
        self._recent_s.append(seconds)
        self._all_s.append(seconds)

    def refused(self, code: str) -> None:
        """Counts a request that was refused, by the code of its problem."""
        self.did[_REFUSAL + code] += 1

    @property
    def refusals(self) -> dict[str, int]:
        """Refused requests by code."""
        return {name.removeprefix(_REFUSAL): n for name, n in self.did.items() if name.startswith(_REFUSAL)}

    def second(self, at_s: float) -> Second:
        """Returns the state now; the median is that of the latest 500 responses."""
        return Second(
            at_s=round(at_s),
            arrived=self.did["arrived"],
            looking=self.looking,
            holding=self.holding,
            bought=self.did["bought"],
            refused=sum(self.refusals.values()),
            seats_left=self.seats_left,
            median_ms=round(median(self._recent_s) * 1000, 1) if self._recent_s else None,
        )

    def median_ms(self) -> float | None:
        """Returns the median time of all responses."""
        return round(median(self._all_s) * 1000, 1) if self._all_s else None
