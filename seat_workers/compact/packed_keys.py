"""Numbered keys in little memory: some 25 bytes each, where a dictionary needs 100 and more. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

ROWS_PER_STEP = 4_096
"""Rows that are filled in without a pause: one to three milliseconds."""

_LOW = 2**64 - 1
_MIX = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: spreads keys that differ in a few bits only."""
_EMPTY, _GONE = 0, 2**32 - 1
_SMALLEST = 8


class PackedKeys:
    """Keys below 2^128, each with a number that is its place in arrays kept beside this.

    Numbers are small and dense: one that was given back is given out again. An open-addressed table finds
    a key's number; it is made anew when it gets full, at double the size of what it holds.
    """

    __slots__ = ("_free", "_high", "_live", "_low", "_mask", "_table", "_used")

    def __init__(self) -> None:
        self._high = array("Q")
        self._low = array("Q")
        self._free = array("I")
        self._live = 0
        self._used = 0
        """Places of the table that are not empty, those of keys that are gone included."""
        self._table = array("I", bytes(4 * _SMALLEST))
        self._mask = _SMALLEST - 1

    def __len__(self) -> int:
        return self._live

    def __iter__(self) -> Iterator[int]:
        """The keys, in no order that means anything."""
        for held in self._table:
            if held not in (_EMPTY, _GONE):
                yield self._high[held - 1] << 64 | self._low[held - 1]

    def key(self, number: int) -> int:
        """The key that has this number."""
        return self._high[number] << 64 | self._low[number]

    def find(self, key: int) -> int:
        """The key's number, or -1."""
        place = self._place(key)
        return -1 if place < 0 else self._table[place] - 1

    def put(self, key: int) -> tuple[int, bool]:
        """The key's number, and whether the key is new: its number is then one given back, or the next one."""
        if 3 * self._used >= 2 * len(self._table):
            self._make_room()
        high, low, table, mask = key >> 64, key & _LOW, self._table, self._mask
        place = (low ^ high) * _MIX >> 32 & mask
        while held := table[place]:
            if held != _GONE and self._low[held - 1] == low and self._high[held - 1] == high:
                return held - 1, False
            place = place + 1 & mask
        if self._free:
            number = self._free.pop()
            self._high[number], self._low[number] = high, low
        else:
            number = len(self._low)
            self._high.append(high)
            self._low.append(low)
        table[place] = number + 1
        self._used += 1
        self._live += 1
        return number, True

    def fill(self, high: array[int], low: array[int]) -> Iterator[None]:
        """Takes distinct keys, given as upper and lower 64 bits, while there are none: number n for the n-th.

        Goes on each time it is asked to, so that others may run in between; only then is it to be used.
        """
        self._high, self._low = high[:], low[:]
        table, mask = self._make_table(len(low))
        for start in range(0, len(low), ROWS_PER_STEP):
            end = start + ROWS_PER_STEP
            mixed = [
                (a ^ b) * _MIX >> 32 & mask for a, b in zip(high[start:end], low[start:end], strict=True)
            ]
            for held, place in enumerate(mixed, start + 1):
                while table[place]:
                    place = place + 1 & mask
                table[place] = held
            yield
        self._live = self._used = len(low)

    def remove(self, key: int) -> int:
        """Gives back the number of a key; returns it. Raises KeyError for a key that is not here."""
        place = self._place(key)
        if place < 0:
            raise KeyError(key)
        number = self._table[place] - 1
        self._table[place] = _GONE
        self._free.append(number)
        self._live -= 1
        return number

    def _place(self, key: int) -> int:
        high, low, table, mask = key >> 64, key & _LOW, self._table, self._mask
        place = (low ^ high) * _MIX >> 32 & mask
        while held := table[place]:
            if held != _GONE and self._low[held - 1] == low and self._high[held - 1] == high:
                return place
            place = place + 1 & mask
        return -1

    def _make_room(self) -> None:
        kept = [held for held in self._table if held not in (_EMPTY, _GONE)]
        table, mask = self._make_table(len(kept))
        for held in kept:
            place = (self._low[held - 1] ^ self._high[held - 1]) * _MIX >> 32 & mask
            while table[place]:
                place = place + 1 & mask
            table[place] = held
        self._used = len(kept)

    def _make_table(self, keys: int) -> tuple[array[int], int]:
        size = _SMALLEST
        while size < 2 * (keys + 1):
            size *= 2
        self._table = array("I", bytes(4 * size))
        self._mask = size - 1
        return self._table, self._mask
