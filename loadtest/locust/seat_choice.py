"""Seat selection of users. PURE: a hall, its free seats and the preferred row.

All users prefer adjacent seats in the middle of one of the best rows, so that in a rush many select the same seats.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

WIDEST_ROW = 40
"""Longest row; a longer one, such as that of a numbered hall, is split into several."""
FREE = "a"


class Row(msgspec.Struct, frozen=True):
    """Adjacent seats. `at` is the index of the first seat in the states of the hall."""

    at: int
    labels: tuple[str, ...]


class Hall(msgspec.Struct, frozen=True):
    """Rows of a show, best first. `states` of a seat map has one letter per seat."""

    rows: tuple[Row, ...]

    @property
    def labels(self) -> list[str]:
        """All labels, in the order of the states."""
        return [label for row in self.rows for label in row.labels]


def hall(rows: Sequence[Sequence[str]]) -> Hall:
    """Makes a hall from rows of labels in layout order."""
    found = []
    at = 0
    for row in rows:
        for first in range(0, len(row), WIDEST_ROW):
            labels = tuple(row[first : first + WIDEST_ROW])
            found.append(Row(at, labels))
            at += len(labels)
    return Hall(tuple(found))


def choose(hall: Hall, states: str, size: int, hoped_for: int) -> tuple[str, ...] | None:
    """Selects `size` adjacent free seats: in the preferred row, then in rows behind it, then in rows before it.

    Within a row, the seats nearest to its middle. None when no row has enough.
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
