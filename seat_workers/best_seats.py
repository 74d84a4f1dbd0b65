"""Chooses the best available seats for a given quantity. Pure; integers and a fixed order only.

The seats are side by side in one row, with no aisle between them: in the best row that has them (a layout lists the
best row first), as close to its middle as possible. A choice that leaves a single seat alone, which is hard to sell,
is taken only if there is no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from schemas.seating import RowSpan, Seating
from seat_workers.accessible_seats import RESERVED_RUN, accessible_seats


def best_seats(
    states: bytes | bytearray,
    seating: Seating,
    quantity: int,
    section: str | None,
    adjacent: bool,
    *,
    kind: Literal["accessible"] | None = None,
    max_price: int | None = None,
) -> list[int] | None:
    """Indexes of `quantity` available seats, in layout order; None when there are not enough.

    `states`: a letter per seat, `a` for available. With `adjacent` false, a group that fits into no row is split into
    as few blocks as possible: the longest runs are taken until the rest fits. `kind` "accessible": accessible and
    companion seats, see accessible_seats.py; otherwise neither of them. `max_price`: only seats of at most this price,
    in minor units.
    """
    rows = [row for row in seating.rows if section is None or row.section == section]
    if max_price is not None:
        states = _without_dearer_seats(states, seating, max_price)
    if kind == "accessible":
        return accessible_seats(states, seating, rows, quantity, adjacent)
    if seating.kinds is not None:
        states = _without_reserved_seats(states, seating.kinds)
    seats = _best_block(states, rows, quantity)
    if seats is not None or adjacent:
        return seats
    left = bytearray(states)
    chosen: list[int] = []
    while seats is None:
        start, end = max(_runs(left, rows, 1), key=_length, default=(0, 0))
        if start == end:
            return None
        chosen += range(start, end)
        left[start:end] = b"-" * (end - start)
        quantity -= end - start
        seats = _best_block(left, rows, quantity)
    return sorted(chosen + seats)


def _without_dearer_seats(states: bytes | bytearray, seating: Seating, max_price: int) -> bytearray:
    left, start = bytearray(states), 0
    for end, amount in seating.prices:
        if amount > max_price:
            left[start:end] = b"-" * (end - start)
        start = end
    return left


def _without_reserved_seats(states: bytes | bytearray, kinds: bytes) -> bytearray:
    left = bytearray(states)
    for run in RESERVED_RUN.finditer(kinds):
        start, end = run.span()
        left[start:end] = b"-" * (end - start)
    return left


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
    """The least number of seats left alone, and the start of the most central block that leaves as few."""
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
