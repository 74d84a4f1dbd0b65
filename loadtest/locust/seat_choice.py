"""Which seats people click on. PURE: a hall, what is free in it and what they hope for.

Everybody hopes for much the same: side by side, in the middle, in one of the best rows. So in a rush many click
on the same seats, which is what makes it one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

WIDEST_ROW = 40
"""A row longer than this, such as that of a numbered hall, is taken for several."""
FREE = "a"


class Row(msgspec.Struct, frozen=True):
    """Seats side by side. `at` is where its first seat stands in the letters of the hall."""

    at: int
    labels: tuple[str, ...]


class Hall(msgspec.Struct, frozen=True):
    """The rows of a show, best first. It never changes; `states` of a seat map has a letter for each seat."""

    rows: tuple[Row, ...]

    @property
    def labels(self) -> list[str]:
        """All labels, in the order of the letters."""
        return [label for row in self.rows for label in row.labels]


def hall(rows: Sequence[Sequence[str]]) -> Hall:
    """The hall with these rows of labels, in layout order."""
    found = []
    at = 0
    for row in rows:
        for first in range(0, len(row), WIDEST_ROW):
            labels = tuple(row[first : first + WIDEST_ROW])
            found.append(Row(at, labels))
            at += len(labels)
    return Hall(tuple(found))


def choose(hall: Hall, states: str, size: int, hoped_for: int) -> tuple[str, ...] | None:
    """`size` free seats side by side: in the row hoped for, then further back, then further in front.

    In a row those nearest to its middle. None when no row has as many.
    """
    first = min(hoped_for, len(hall.rows) - 1)
    for row in (*hall.rows[first:], *reversed(hall.rows[:first])):
        states_of_row = states[row.at : row.at + len(row.labels)]
        if (start := _nearest_to_middle(states_of_row, size)) is not None:
            return row.labels[start : start + size]
    return None


def _nearest_to_middle(states_of_row: str, size: int) -> int | None:
    wanted = FREE * size
    middle = max(0, (len(states_of_row) - size) // 2)
    left = states_of_row.rfind(wanted, 0, middle + size)
    right = states_of_row.find(wanted, middle)
    if left < 0 and right < 0:
        return None
    if left < 0 or (right >= 0 and right - middle < middle - left):
        return right
    return left
