"""The shows of a storm as they were asked for: labels, prices, kinds and neighbours of their seats. Pure.

Made from the layouts here and not from the seat map, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

CURRENCY = "EUR"
NO_LIMIT = 10_000
"""Seats that a customer may have where a show is to have no limit."""

Terms = dict[str, Any]
"""Fields of `POST /api/shows`."""

_Row = tuple[str, int, tuple[int, ...]]
"""Name, number of seats, aisles."""


class Seat(msgspec.Struct, frozen=True):
    """A seat of a show."""

    label: str
    price: int = 0
    kind: str = "-"
    """`-`, `w` accessible, `c` companion, `r` restricted view, as in the seat map."""
    segment: int = 0
    """Number of its piece of a row: seats of one piece that follow each other are adjacent."""


class ShowPlan(msgspec.Struct, frozen=True, dict=True):
    """A show with its seats in layout order."""

    show_id: int
    seats: tuple[Seat, ...]
    limit: int = NO_LIMIT
    """Seats that a customer may have."""

    @cached_property
    def indexes(self) -> dict[str, int]:
        """Label → index in the layout."""
        return {seat.label: index for index, seat in enumerate(self.seats)}

    @property
    def labels(self) -> list[str]:
        return [seat.label for seat in self.seats]

    @property
    def kinds(self) -> str | None:
        """The kinds as in the seat map; None where all seats are ordinary."""
        kinds = "".join(seat.kind for seat in self.seats)
        return kinds if kinds.strip("-") else None

    def of(self, labels: Iterable[str]) -> list[Seat]:
        """Returns the seats with these labels."""
        return [self.seats[self.indexes[label]] for label in labels]

    def total(self, labels: Iterable[str]) -> int:
        """Returns the price of these seats, in minor units."""
        return sum(seat.price for seat in self.of(labels))

    def neighbours(self, label: str) -> list[Seat]:
        """Returns the one or two seats beside a seat."""
        index = self.indexes[label]
        around = [self.seats[n] for n in (index - 1, index + 1) if 0 <= n < len(self.seats)]
        return [seat for seat in around if seat.segment == self.seats[index].segment]

    def adjacent(self, labels: Iterable[str]) -> bool:
        """Whether these seats are side by side in one row with no aisle between."""
        indexes = sorted(self.indexes[label] for label in labels)
        follow = indexes == list(range(indexes[0], indexes[0] + len(indexes)))
        return follow and len({self.seats[index].segment for index in indexes}) == 1


def numbered(size: int, price: int = 1_000) -> tuple[Terms, tuple[Seat, ...]]:
    """Returns the terms and the seats of a show with seats "1" … "size"."""
    terms = {"total_seats": size, "price": _money(price)}
    return terms, tuple(Seat(str(number), price) for number in range(1, size + 1))


def hall(limit: int) -> tuple[Terms, tuple[Seat, ...]]:
    """Returns the terms and the seats of a show with kinds of seats, single prices, aisles and patterns of labels."""
    stalls: list[_Row] = [(str(row), 20, (10,)) for row in range(1, 9)]
    balcony: list[_Row] = [(str(row), 15, ()) for row in range(1, 5)]
    kinds = {f"1-{n}": kind for n, kind in enumerate("cwcwwc---ccwwcc--wc-", 1) if kind != "-"}
    kinds |= {f"B4/{n}": "r" for n in (1, 2, 14, 15)}
    single = {"1-19": 500, "1-20": 500, "8-1": 300}
    seats = [
        *_rows(stalls, "{}-{}", 1_200, kinds, single, first_segment=0),
        *_rows(balcony, "B{}/{}", 700, kinds, {}, first_segment=100),
    ]
    layout = {
        "sections": [
            _section("Stalls", "{row}-{seat}", 1_200, stalls, single),
            _section("Balcony", "B{row}/{seat}", 700, balcony, {}),
        ],
        **{
            name: [label for label, kind in kinds.items() if kind == letter]
            for name, letter in (("accessible", "w"), ("companions", "c"), ("restricted_view", "r"))
        },
    }
    return {"layout": layout, "seats_per_customer": limit}, tuple(seats)


def one_row(size: int) -> tuple[Terms, tuple[Seat, ...]]:
    """Returns the terms and the seats of a show with one row, with two prices and a few accessible seats."""
    kinds = {"A-1": "c", "A-2": "w", "A-3": "c"}
    single = {f"A-{number}": 400 for number in range(1, size // 3)}
    row: list[_Row] = [("A", size, ())]
    section = _section("Stalls", "{row}-{seat}", 900, row, single)
    layout = {"sections": [section], "accessible": ["A-2"], "companions": ["A-1", "A-3"]}
    return {"layout": layout}, tuple(_rows(row, "{}-{}", 900, kinds, single, first_segment=0))


def _rows(
    rows: list[_Row],
    pattern: str,
    price: int,
    kinds: dict[str, str],
    single: dict[str, int],
    first_segment: int,
) -> Iterable[Seat]:
    for order, (name, count, aisles) in enumerate(rows):
        for number in range(1, count + 1):
            label = pattern.format(name, number)
            segment = first_segment + 10 * order + sum(number > aisle for aisle in aisles)
            yield Seat(label, single.get(label, price), kinds.get(label, "-"), segment)


def _section(
    name: str,
    pattern: str,
    price: int,
    rows: list[_Row],
    single: dict[str, int],
) -> dict[str, Any]:
    bodies = []
    for row, count, aisles in rows:
        labels = {pattern.format(row=row, seat=number) for number in range(1, count + 1)}
        prices = [
            {"seats": [label], "price": _money(price)} for label, price in single.items() if label in labels
        ]
        aisle = {"aisles_after": list(aisles)} if aisles else {}
        bodies.append({"name": row, "seats": count, **aisle} | ({"prices": prices} if prices else {}))
    return {"name": name, "label": pattern, "price": _money(price), "rows": bodies}


def _money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": CURRENCY}
