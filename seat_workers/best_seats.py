"""Which seats to give to somebody who asks for a number of them. Pure; integers and a fixed order only.

Seats side by side in one row, with no aisle between them: the best row that has them (rows stand in the
layout best first), and in it as near to the middle as can be. A choice that leaves a single seat alone,
which nobody will buy, is taken only where there is no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from schemas.layout import RowSpan, Seating


def best_seats(
    states: bytes | bytearray, seating: Seating, quantity: int, section: str | None, adjacent: bool
) -> list[int] | None:
    """Indexes of `quantity` available seats, in layout order; None when there are none to give.

    `states`: a letter per seat, `a` for available. With `adjacent` false, where no row has that many side by
    side, the fewest pieces that there can be: always the longest run there is, until the rest fits.
    """
    rows = [row for row in seating.rows if section is None or row.section == section]
    seats = _best_block(states, rows, quantity)
    if seats is not None or adjacent:
        return seats
    left = bytearray(states)
    given: list[int] = []
    while seats is None:
        start, end = max(_runs(left, rows, 1), key=_length, default=(0, 0))
        if start == end:
            return None
        given += range(start, end)
        left[start:end] = b"-" * (end - start)
        quantity -= end - start
        seats = _best_block(left, rows, quantity)
    return sorted(given + seats)


def _best_block(states: bytes | bytearray, rows: Iterable[RowSpan], quantity: int) -> list[int] | None:
    fallback: tuple[int, int] | None = None
    for row in rows:
        best = _best_in_row(states, row, quantity)
        if best is None:
            continue
        orphans, start = best
        if orphans == 0:
            return [*range(start, start + quantity)]
        if fallback is None or orphans < fallback[0]:
            fallback = (orphans, start)
    return None if fallback is None else [*range(fallback[1], fallback[1] + quantity)]


def _best_in_row(states: bytes | bytearray, row: RowSpan, quantity: int) -> tuple[int, int] | None:
    """The fewest seats left alone and, of the places that leave as many, the start of the most central."""
    best: tuple[int, int, int] | None = None
    for start, end in _runs(states, (row,), quantity):
        last = end - quantity
        middle = min(max((row.start + row.end - quantity) // 2, start), last)
        for place in {start, last, *range(max(start, middle - 2), min(last, middle + 2) + 1)}:
            orphans = (place - start == 1) + (end - place - quantity == 1)
            off_centre = abs(2 * place + quantity - row.start - row.end)
            if best is None or (orphans, off_centre, place) < best:
                best = (orphans, off_centre, place)
    return None if best is None else (best[0], best[2])


def _runs(states: bytes | bytearray, rows: Iterable[RowSpan], shortest: int) -> Iterable[tuple[int, int]]:
    find = _pattern(shortest).finditer
    for row in rows:
        for start, end in row.segments:
            for run in find(states, start, end):
                yield run.span()


@lru_cache(maxsize=128)
def _pattern(shortest: int) -> re.Pattern[bytes]:
    return re.compile(b"a{%d,}" % shortest)


def _length(run: tuple[int, int]) -> int:
    return run[1] - run[0]
