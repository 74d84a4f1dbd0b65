"""Index of a layout for those who look seats up: label ↔ index, price, kind and neighbours of a seat."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

from schemas.layout import MAX_SEATS, Layout
from schemas.seat_labels import MAX_LABEL

ORDINARY, ACCESSIBLE, COMPANION, RESTRICTED_VIEW = b"-wcr"
"""Letters of the kinds of seats."""

_DIGITS = "0123456789"
_LOOKUP_CACHE_SIZE = 512
_MAX_DIGITS = len(str(MAX_SEATS))


class RowSpan(NamedTuple):
    """The seat indexes of a row. `segments`: (start, end) of the seats between its aisles."""

    section: str
    start: int
    end: int
    segments: tuple[tuple[int, int], ...]


class Seating:
    """A layout indexed for the writer. Shared by all shows that use it.

    Labels that a pattern makes are computed, not stored: 100,000 seats take no more memory than the list of rows.
    """

    __slots__ = (
        "__weakref__",
        "_ends",
        "_few_prices",
        "_has_digit_names",
        "_listed",
        "_lookups",
        "_numbered",
        "_numbered_between",
        "_row_labels",
        "_seat_prices",
        "currency",
        "kinds",
        "layout",
        "prices",
        "rows",
    )

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.currency = layout.sections[0].price.currency
        self.prices: list[tuple[int, int]] = []
        """Seats of one price, in layout order: the index after the last of them, and the price in minor units. Per
        section, or shorter where single seats have prices."""
        self.rows: list[RowSpan] = []
        self._ends: list[int] = []
        self._row_labels: list[tuple[int, str, str, tuple[str, ...] | None]] = []
        """Per row: its first seat; what stands before and after the number in computed labels; listed labels, or None
        where they are computed."""
        self._numbered: dict[str, tuple[int, int]] = {}
        """Text before the number → index of the first seat and number of seats, for computed labels that end with the
        number."""
        self._numbered_between: dict[tuple[str, str], tuple[int, int]] = {}
        """The same for computed labels with text after the number: both texts → first seat and number of seats."""
        self._has_digit_names = False
        """Whether a text before a number ends in a digit, so that the start of the number is ambiguous."""
        self._listed: dict[str, int] = {}
        """Label → index, for labels that the layout lists."""
        self._lookups: dict[str, int] = {}
        """Cache of recent look-ups: a command's seats are looked up several times."""
        self._index_rows()
        self.kinds = self._kinds_of_seats()
        """One letter a seat: `-`, `w` accessible, `c` companion, `r` restricted view; None where all are `-`."""
        self._seat_prices = self._prices_of_seats()
        """Prices by seat; None where no single seat has one."""
        if self._seat_prices is not None:
            self.prices = _runs(self._seat_prices)
        self._few_prices = self.prices if self._seat_prices is None else []
        """`prices`, searched one after the other, unless single seats have prices."""

    def _index_rows(self) -> None:
        start = 0
        for section in self.layout.sections:
            pattern = self.layout.pattern_of(section)
            for row in section.rows:
                end = start + len(row)
                cuts = sorted({start, *(start + after for after in row.aisles_after), end})
                self.rows.append(RowSpan(section.name, start, end, tuple(pairwise(cuts))))
                self._ends.append(end)
                if isinstance(row.seats, int):
                    self._index_numbered(*pattern.affixes(row.name), start, row.seats)
                else:
                    self._row_labels.append((start, "", "", row.seats))
                    self._listed.update(zip(row.seats, range(start, end), strict=True))
                start = end
            self.prices.append((start, section.price.amount))

    def _index_numbered(self, before: str, after: str, start: int, seats: int) -> None:
        self._row_labels.append((start, before, after, None))
        if after:
            self._numbered_between[before, after] = (start, seats)
        else:
            self._numbered[before] = (start, seats)
            self._has_digit_names |= before != "" and before[-1] in _DIGITS

    def _kinds_of_seats(self) -> bytes | None:
        layout = self.layout
        if not (layout.accessible or layout.companions or layout.restricted_view):
            return None
        kinds = bytearray([ORDINARY]) * len(self)
        for letter, labels in (
            (ACCESSIBLE, layout.accessible),
            (COMPANION, layout.companions),
            (RESTRICTED_VIEW, layout.restricted_view),
        ):
            for label in labels:
                kinds[self.index(label)] = letter
        return bytes(kinds)

    def _prices_of_seats(self) -> array[int] | None:
        single = [one for section in self.layout.sections for row in section.rows for one in row.prices]
        if not single:
            return None
        prices = array("q")
        for end, amount in self.prices:
            prices.extend([amount] * (end - len(prices)))
        for one in single:
            for label in one.seats:
                prices[self.index(label)] = one.price.amount
        return prices

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in layout order; computed at each access."""
        layout = self.layout
        return tuple(
            label
            for section in layout.sections
            for row in section.rows
            for label in row.labels(layout.pattern_of(section))
        )

    @property
    def sections(self) -> set[str]:
        """The names of the sections."""
        return {section.name for section in self.layout.sections}

    @property
    def has_seat_prices(self) -> bool:
        """Whether single seats have prices of their own."""
        return self._seat_prices is not None

    def label(self, seat: int) -> str:
        """The label of a seat."""
        start, before, after, listed = self._row_labels[bisect_right(self._ends, seat)]
        return f"{before}{seat - start + 1}{after}" if listed is None else listed[seat - start]

    def find(self, label: str) -> int:
        """The index of a label, or -1 if there is no such seat."""
        seat = self._lookups.get(label)
        if seat is None:
            if len(self._lookups) >= _LOOKUP_CACHE_SIZE:
                self._lookups.clear()
            seat = self._lookups[label] = self._look_up(label)
        return seat

    def _look_up(self, label: str) -> int:
        name = label.rstrip(_DIGITS)
        row = self._numbered.get(name)
        if row is not None:
            number = label[len(name) :]
            if number and number[0] != "0" and len(number) <= _MAX_DIGITS and int(number) <= row[1]:
                return row[0] + int(number) - 1
        if self._has_digit_names and (seat := self._find_among_digit_names(label)) >= 0:
            return seat
        if self._numbered_between and (seat := self._find_with_text_after(label)) >= 0:
            return seat
        return self._listed.get(label, -1)

    def _find_among_digit_names(self, label: str) -> int:
        """Looks a label up among rows whose names end in digits: tries each digit as the start of the number."""
        for split in range(len(label) - 1, max(0, len(label) - 1 - _MAX_DIGITS), -1):
            if label[split] not in _DIGITS:
                break
            row = self._numbered.get(label[:split])
            if row is not None and label[split] != "0" and int(label[split:]) <= row[1]:
                return row[0] + int(label[split:]) - 1
        return -1

    def _find_with_text_after(self, label: str) -> int:
        """Looks a label up among those with text after the number: tries each run of digits as the number."""
        if len(label) > MAX_LABEL:
            return -1
        for start, first in enumerate(label):
            if first not in _DIGITS or first == "0":
                continue
            for end in range(start + 1, min(start + _MAX_DIGITS, len(label)) + 1):
                if label[end - 1] not in _DIGITS:
                    break
                row = self._numbered_between.get((label[:start], label[end:]))
                if row is not None and int(label[start:end]) <= row[1]:
                    return row[0] + int(label[start:end]) - 1
        return -1

    def index(self, label: str) -> int:
        """The index of a label. Raises KeyError if there is no such seat."""
        seat = self.find(label)
        if seat < 0:
            raise KeyError(label)
        return seat

    def price_of(self, seat: int) -> int:
        """The price of one seat, in minor units."""
        for end, amount in self._few_prices:
            if seat < end:
                return amount
        if self._seat_prices is not None:
            return self._seat_prices[seat]
        raise IndexError(seat)

    def neighbours(self, seat: int) -> tuple[int, ...]:
        """The seats beside a seat: in its row, with no aisle between."""
        for start, end in self.rows[bisect_right(self._ends, seat)].segments:
            if start <= seat < end:
                return tuple([beside for beside in (seat - 1, seat + 1) if start <= beside < end])
        raise IndexError(seat)


def _runs(prices: array[int]) -> list[tuple[int, int]]:
    """The ends and prices of the runs of seats with one price."""
    runs: list[tuple[int, int]] = []
    for end, amount in enumerate(prices, 1):
        if runs and runs[-1][1] == amount:
            runs[-1] = (end, amount)
        else:
            runs.append((end, amount))
    return runs
