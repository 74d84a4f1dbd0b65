"""Chooses accessible seats, with companion seats beside them, for a given quantity. Pure; integers and a fixed order.

A block is side by side in one row, has at least one accessible seat, and each companion seat in it is beside an
accessible seat of the same block. Of the possible blocks the one with the fewest accessible seats is taken, so that
these are left for those who need them; then as for other seats: without a single seat left alone, in the best row, as
close to its middle as possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from schemas.seat_states import AVAILABLE
from schemas.seating import ACCESSIBLE, RowSpan, Seating

RESERVED_RUN = re.compile(rb"[wc]+")
"""A run of accessible and companion seats in the kinds of a layout."""

_BLOCK = re.compile(rb"c?w(?:c{0,2}w)*c?")
"""Kinds of the seats of a block: each companion seat has an accessible seat beside it."""
_AVAILABLE = ord(AVAILABLE)


def accessible_seats(
    states: bytes | bytearray, seating: Seating, rows: Sequence[RowSpan], quantity: int, adjacent: bool
) -> list[int] | None:
    """Indexes of `quantity` accessible and companion seats in these rows, in layout order; None when there are none.

    With `adjacent` false, a group that fits into no block is split: the longest blocks are taken until the rest fits.
    """
    if seating.kinds is None:
        return None
    left = _available_kinds(states, seating.kinds)
    block = _best_block(left, rows, quantity)
    if block is not None or adjacent:
        return None if block is None else [*block]
    chosen: list[int] = []
    while block is None:
        piece = _longest_block(left, rows, quantity - 1)
        if piece is None:
            return None
        chosen += piece
        left[piece.start : piece.stop] = b"-" * len(piece)
        quantity -= len(piece)
        block = _best_block(left, rows, quantity)
    return sorted([*chosen, *block])


def _available_kinds(states: bytes | bytearray, kinds: bytes) -> bytearray:
    """`w` for an available accessible seat, `c` for an available companion seat, `-` for all others."""
    left = bytearray(b"-" * len(kinds))
    for run in RESERVED_RUN.finditer(kinds):
        for seat in range(*run.span()):
            if states[seat] == _AVAILABLE:
                left[seat] = kinds[seat]
    return left


def _best_block(left: bytearray, rows: Sequence[RowSpan], quantity: int) -> range | None:
    best: tuple[int, int, int, int, int] | None = None
    for order, row in enumerate(rows):
        for start, end in _runs(left, row, quantity):
            for place in range(start, end - quantity + 1):
                if _BLOCK.fullmatch(left, place, place + quantity) is None:
                    continue
                accessible = left.count(ACCESSIBLE, place, place + quantity)
                orphans = (place - start == 1) + (end - place - quantity == 1)
                off_centre = abs(2 * place + quantity - row.start - row.end)
                key = (accessible, orphans, order, off_centre, place)
                if best is None or key < best:
                    best = key
    return None if best is None else range(best[-1], best[-1] + quantity)


def _longest_block(left: bytearray, rows: Sequence[RowSpan], longest: int) -> range | None:
    """The best of the longest blocks of at most `longest` seats."""
    lengths = (
        found.end() - found.start()
        for row in rows
        for start, end in row.segments
        for found in _BLOCK.finditer(left, start, end)
    )
    for quantity in range(min(longest, max(lengths, default=0)), 0, -1):
        block = _best_block(left, rows, quantity)
        if block is not None:
            return block
    return None


def _runs(left: bytearray, row: RowSpan, shortest: int) -> Iterator[tuple[int, int]]:
    for start, end in row.segments:
        for run in RESERVED_RUN.finditer(left, start, end):
            if run.end() - run.start() >= shortest:
                yield run.span()
