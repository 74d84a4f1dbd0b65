"""The house as customers see it: where its seats are, which of them are good, which are side by side. Pure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import msgspec

from ops.sample.arcs import places
from schemas.layout import Row, Section, Stage

AVAILABLE = "a"


class SeatMap(msgspec.Struct):
    """A seat map as the API returns it."""

    version: int
    sections: tuple[Section, ...]
    states: str
    kinds: str | None = None
    stage: Stage | None = None


class Run(NamedTuple):
    """Seats side by side in a row, with no aisle between them."""

    section: int
    start: int
    end: int


class House:
    """The seats of a show. A seat is its index in layout order."""

    def __init__(self, seat_map: SeatMap) -> None:
        self.labels: list[str] = []
        self.quality: list[float] = []
        """How good a seat is within its section: 1 in the middle of its front, 0 in its farthest corner."""
        self.runs: list[list[Run]] = []
        """By section."""
        for number, section in enumerate(seat_map.sections):
            first = len(self.labels)
            runs: list[Run] = []
            found: list[tuple[float, float]] = []
            for row_number, row in enumerate(section.rows):
                start = len(self.labels)
                self.labels += row.labels()
                cuts = sorted({start, *(start + after for after in row.aisles_after), len(self.labels)})
                runs += [Run(number, *cut) for cut in pairwise(cuts)]
                found += _places(row, row_number)
            self.runs.append(runs)
            self.quality += _qualities(found)
            assert len(self.labels) == first + len(found)
        self.kinds = seat_map.kinds or "-" * len(self.labels)
        self.index = {label: seat for seat, label in enumerate(self.labels)}

    def __len__(self) -> int:
        return len(self.labels)


def _places(row: Row, number: int) -> list[tuple[float, float]]:
    if row.x is not None and row.y is not None:
        return places(row)
    return [(seat - (len(row) - 1) / 2, float(number)) for seat in range(len(row))]


def _qualities(found: list[tuple[float, float]]) -> list[float]:
    """One minus the distance from the middle of the front, as a part of the greatest."""
    middle = (min(x for x, _ in found) + max(x for x, _ in found)) / 2
    depth = max(y for _, y in found) - min(y for _, y in found)
    front = max(y for x, y in found if abs(x - middle) <= 2 or len(found) < 5) - depth * 0.55
    distances = [math.hypot((x - middle) * 0.8, y - front) for x, y in found]
    farthest = max(distances) or 1.0
    return [1 - distance / farthest for distance in distances]
