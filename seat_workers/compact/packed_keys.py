"""A compact hash table that numbers its keys: some 25 bytes a key, where a dictionary needs 100 and more. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

ROWS_PER_STEP = 4_096
"""Rows that one iteration of a `fill` handles: one to three milliseconds of work."""

_LOW = 2**64 - 1
_MIX = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: spreads keys that differ in a few bits only."""
_EMPTY, _REMOVED = 0, 2**32 - 1
_MIN_SIZE = 8


class PackedKeys:
    """Keys, each with a number that serves as an index into arrays of its owner.

    Keys are below 2^128, or below 2^64 if they are not `wide`, which saves eight bytes a key.
    Numbers are small and dense: that of a removed key is assigned again. An open-addressed table finds a key's
    number; a full table is rebuilt at twice the size of its live keys.
    """

    __slots__ = ("_free", "_high", "_live", "_low", "_mask", "_table", "_used")

    def __init__(self, *, wide: bool = True) -> None:
        self._high = array("Q") if wide else None
        self._low = array("Q")
        self._free = array("I")
        self._live = 0
        self._used = 0
        """Slots of the table that are not empty, those of removed keys included."""
        self._table = array("I", bytes(4 * _MIN_SIZE))
        self._mask = _MIN_SIZE - 1

    def __len__(self) -> int:
        return self._live

    def __iter__(self) -> Iterator[int]:
        """The keys, in arbitrary order."""
        for entry in self._table:
            if entry not in (_EMPTY, _REMOVED):
                yield self.key(entry - 1)

    def key(self, number: int) -> int:
        """The key that has this number."""
        return self._low[number] if self._high is None else self._high[number] << 64 | self._low[number]

    def find(self, key: int) -> int:
        """The key's number, or -1."""
        slot = self._slot(key)
        return -1 if slot < 0 else self._table[slot] - 1

    def put(self, key: int) -> tuple[int, bool]:
        """The key's number, and whether the key is new. A new key gets a free number, or else the next one."""
        if 3 * self._used >= 2 * len(self._table):
            self._rebuild()
        high, low, table, mask = key >> 64, key & _LOW, self._table, self._mask
        slot = (low ^ high) * _MIX >> 32 & mask
        while entry := table[slot]:
            if entry != _REMOVED and self._low[entry - 1] == low and self._high_of(entry - 1) == high:
                return entry - 1, False
            slot = slot + 1 & mask
        if self._free:
            number = self._free.pop()
            self._low[number] = low
            if self._high is not None:
                self._high[number] = high
        else:
            number = len(self._low)
            self._low.append(low)
            if self._high is not None:
                self._high.append(high)
        table[slot] = number + 1
        self._used += 1
        self._live += 1
        return number, True

    def fill(self, high: array[int], low: array[int]) -> Iterator[None]:
        """Fills an empty table with distinct keys, given as upper and lower 64 bits; the n-th key gets number n.

        Each iteration takes a few milliseconds. The table is usable only after the last one.
        """
        self._low = low[:]
        if self._high is not None:
            self._high = high[:]
        table, mask = self._new_table(len(low))
        for start in range(0, len(low), ROWS_PER_STEP):
            end = start + ROWS_PER_STEP
            mixed = [
                (a ^ b) * _MIX >> 32 & mask for a, b in zip(high[start:end], low[start:end], strict=True)
            ]
            for entry, slot in enumerate(mixed, start + 1):
                while table[slot]:
                    slot = slot + 1 & mask
                table[slot] = entry
            yield
        self._live = self._used = len(low)

    def remove(self, key: int) -> int:
        """Removes a key and returns its number, which is then free. Raises KeyError for an unknown key."""
        slot = self._slot(key)
        if slot < 0:
            raise KeyError(key)
        number = self._table[slot] - 1
        self._table[slot] = _REMOVED
        self._free.append(number)
        self._live -= 1
        return number

    def _high_of(self, number: int) -> int:
        return 0 if self._high is None else self._high[number]

    def _slot(self, key: int) -> int:
        high, low, table, mask = key >> 64, key & _LOW, self._table, self._mask
        slot = (low ^ high) * _MIX >> 32 & mask
        while entry := table[slot]:
            if entry != _REMOVED and self._low[entry - 1] == low and self._high_of(entry - 1) == high:
                return slot
            slot = slot + 1 & mask
        return -1

    def _rebuild(self) -> None:
        kept = [entry for entry in self._table if entry not in (_EMPTY, _REMOVED)]
        table, mask = self._new_table(len(kept))
        for entry in kept:
            slot = (self._low[entry - 1] ^ self._high_of(entry - 1)) * _MIX >> 32 & mask
            while table[slot]:
                slot = slot + 1 & mask
            table[slot] = entry
        self._used = len(kept)

    def _new_table(self, keys: int) -> tuple[array[int], int]:
        size = _MIN_SIZE
        while size < 2 * (keys + 1):
            size *= 2
        self._table = array("I", bytes(4 * size))
        self._mask = size - 1
        return self._table, self._mask
