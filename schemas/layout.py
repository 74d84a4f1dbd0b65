"""A seating layout: sections, rows, labels, prices; and how labels and indexes go over into each other.

These are the stored forms: a field of a later release is passed over. Bodies of requests have strict ones.

A layout never changes once it is stored: shows name it by id and digest, and inside the writer a seat is
its index in layout order.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec

from schemas.currencies import CURRENCY_WANTED, is_currency

MAX_SEATS = 100_000
MAX_LABEL = 16
MAX_PRICE = 10**9
_DIGITS = "0123456789"
_FOUND_LATELY = 512
_MAX_DIGITS = len(str(MAX_SEATS))

Name = Annotated[str, msgspec.Meta(max_length=60)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL)]

_SEEN = r"[^\s\x00-\x1f\x7f\ud800-\udfff]"
_LABEL = re.compile(rf"{_SEEN}(?:[^\x00-\x1f\x7f\ud800-\udfff]*{_SEEN})?\Z")


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=MAX_PRICE * 10)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of seats. `seats` is how many (labels are then row name + 1, 2, …) or the labels themselves."""

    name: Name
    seats: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)] | tuple[Label, ...]
    aisles_after: tuple[Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)], ...] = ()
    """After how many seats of the row, counted from its start, there is an aisle."""

    def labels(self) -> tuple[str, ...]:
        if isinstance(self.seats, int):
            return tuple(f"{self.name}{number}" for number in range(1, self.seats + 1))
        return self.seats

    def __len__(self) -> int:
        return self.seats if isinstance(self.seats, int) else len(self.seats)


class Section(msgspec.Struct, frozen=True):
    """Rows that share a name and a price, best row first."""

    name: Name
    price: Money
    rows: tuple[Row, ...]


class Layout(msgspec.Struct, frozen=True):
    """The whole seating of a screen, in layout order."""

    sections: tuple[Section, ...]


def numbered(total_seats: int, price: Money) -> Layout:
    """The layout of a hall whose seats are just `"1"` … `"N"`."""
    return Layout((Section("", price, (Row("", total_seats),)),))


_encoder = msgspec.json.Encoder()
decode_layout = msgspec.json.Decoder(Layout).decode


def encode_layout(layout: Layout) -> bytes:
    """The stored form of a layout; its digest is taken over exactly these bytes."""
    return _encoder.encode(layout)


def layout_digest(body: bytes) -> str:
    """What names the contents of a layout: SHA-256 in hex over its stored form."""
    return hashlib.sha256(body).hexdigest()


def problems(layout: Layout) -> Iterator[tuple[str, str]]:
    """What is wrong with a layout, as (field, message); nothing when it can be used."""
    if not layout.sections:
        yield "sections", "a layout needs at least one section"
    total = 0
    seen: set[str] = set()
    names: set[str] = set()
    currency: str | None = None
    for s, section in enumerate(layout.sections):
        at = f"sections[{s}]"
        if section.name in names:
            yield f"{at}.name", f"there is another section {section.name!r}"
        names.add(section.name)
        if "\0" in section.name:
            yield f"{at}.name", "NUL is not allowed"
        currency = currency or section.price.currency
        if section.price.currency != currency:
            yield f"{at}.price.currency", f"one layout has one currency; the first section has {currency}"
        if not is_currency(section.price.currency):
            yield f"{at}.price.currency", CURRENCY_WANTED
        if section.price.amount > MAX_PRICE:
            yield f"{at}.price.amount", f"at most {MAX_PRICE}"
        if not section.rows:
            yield f"{at}.rows", "a section needs at least one row"
        for r, row in enumerate(section.rows):
            total += len(row)
            if total > MAX_SEATS:
                yield f"{at}.rows[{r}]", f"at most {MAX_SEATS} seats in a layout"
                return
            yield from _row_problems(f"{at}.rows[{r}]", row, seen)


def _row_problems(at: str, row: Row, seen: set[str]) -> Iterator[tuple[str, str]]:
    if not len(row):
        yield f"{at}.seats", "a row needs at least one seat"
    for label in row.labels():
        if len(label) > MAX_LABEL or not _LABEL.match(label):
            yield f"{at}.seats", f"{label[:40]!r} is not a label: 1 to {MAX_LABEL} visible characters"
            break
        if label in seen:
            yield f"{at}.seats", f"there is another seat {label!r}"
            break
        seen.add(label)
    if any(after >= len(row) for after in row.aisles_after):
        yield f"{at}.aisles_after", "an aisle lies between two seats: every number is below the row's seats"


class RowSpan(NamedTuple):
    """Where a row lies among a show's seats. `segments`: (start, end) of the seats between its aisles."""

    section: str
    start: int
    end: int
    segments: tuple[tuple[int, int], ...]


class Seating:
    """A layout made ready for the writer: label ↔ index, price of a seat. Shared by all shows that use it.

    Labels that are row name and number are worked out, not stored: a house of 100,000 seats takes no more
    room than its list of rows.
    """

    __slots__ = (
        "__weakref__",
        "_ends",
        "_given",
        "_lately",
        "_numbered",
        "_odd_names",
        "_rows",
        "currency",
        "layout",
        "prices",
        "rows",
    )

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.currency = layout.sections[0].price.currency
        self.prices: list[tuple[int, int]] = []
        """For each section: the index after its last seat, and the price of a seat in minor units."""
        self.rows: list[RowSpan] = []
        self._rows: list[Row] = []
        self._ends: list[int] = []
        self._numbered: dict[str, tuple[int, int]] = {}
        """Row name → index of its first seat, how many; for rows whose labels are name and number."""
        self._odd_names = False
        """Whether a row's name ends in a digit, so that it is not plain where the number begins."""
        self._given: dict[str, int] = {}
        """Label → index, for labels that the layout spells out."""
        self._lately: dict[str, int] = {}
        """What was found last: a command's seats are looked up several times on its way."""
        start = 0
        for section in layout.sections:
            for row in section.rows:
                end = start + len(row)
                cuts = sorted({start, *(start + after for after in row.aisles_after), end})
                self.rows.append(RowSpan(section.name, start, end, tuple(pairwise(cuts))))
                self._rows.append(row)
                self._ends.append(end)
                if isinstance(row.seats, int):
                    self._numbered[row.name] = (start, row.seats)
                    self._odd_names |= row.name[-1:] in _DIGITS and row.name != ""
                else:
                    self._given.update(zip(row.seats, range(start, end), strict=True))
                start = end
            self.prices.append((start, section.price.amount))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, in layout order; made anew at each call."""
        return tuple(label for row in self._rows for label in row.labels())

    @property
    def sections(self) -> set[str]:
        """The names of the sections."""
        return {section.name for section in self.layout.sections}

    def label(self, seat: int) -> str:
        """The label of a seat."""
        at = bisect_right(self._ends, seat)
        row, start = self._rows[at], self.rows[at].start
        return f"{row.name}{seat - start + 1}" if isinstance(row.seats, int) else row.seats[seat - start]

    def find(self, label: str) -> int:
        """The index of a label, or -1 when there is no such seat."""
        seat = self._lately.get(label)
        if seat is None:
            if len(self._lately) >= _FOUND_LATELY:
                self._lately.clear()
            seat = self._lately[label] = self._look_up(label)
        return seat

    def _look_up(self, label: str) -> int:
        name = label.rstrip(_DIGITS)
        row = self._numbered.get(name)
        if row is not None:
            number = label[len(name) :]
            if number and number[0] != "0" and len(number) <= _MAX_DIGITS and int(number) <= row[1]:
                return row[0] + int(number) - 1
        return self._given.get(label, -1) if not self._odd_names else self._find_odd(label)

    def _find_odd(self, label: str) -> int:
        """Among rows whose names end in digits themselves: the number may begin at any of the last ones."""
        for split in range(len(label) - 1, max(0, len(label) - 1 - _MAX_DIGITS), -1):
            if label[split] not in _DIGITS:
                break
            row = self._numbered.get(label[:split])
            if row is not None and label[split] != "0" and int(label[split:]) <= row[1]:
                return row[0] + int(label[split:]) - 1
        return self._given.get(label, -1)

    def index(self, label: str) -> int:
        """The index of a seat's label. Raises KeyError when there is no such seat."""
        seat = self.find(label)
        if seat < 0:
            raise KeyError(label)
        return seat

    def price_of(self, seat: int) -> int:
        """The price of one seat, in minor units."""
        for end, amount in self.prices:
            if seat < end:
                return amount
        raise IndexError(seat)
