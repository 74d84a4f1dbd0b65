"""The seating of the simulated shows, and what the checks know of it: they read the layout, not the writer's index."""

from __future__ import annotations

from itertools import pairwise

from schemas.layout import Layout, Money, Row, SeatPrice, Section, encode_layout, layout_digest
from schemas.seating import Seating

CURRENCY = "EUR"


class Hall:
    """One layout with its digest, and per label: price, kind and the seats beside it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seating = Seating(layout)
        self.digest = layout_digest(encode_layout(layout))
        rows = [(section, row, row.labels()) for section in layout.sections for row in section.rows]
        self.labels = tuple(label for _, _, labels in rows for label in labels)
        self.prices = {label: section.price.amount for section, _, labels in rows for label in labels}
        for _, row, _ in rows:
            for single in row.prices:
                self.prices |= dict.fromkeys(single.seats, single.price.amount)
        self.accessible, self.companions = frozenset(layout.accessible), frozenset(layout.companions)
        self.beside: dict[str, set[str]] = {label: set() for label in self.labels}
        for _, row, labels in rows:
            for n, (left, right) in enumerate(pairwise(labels), 1):
                if n not in row.aisles_after:
                    self.beside[left].add(right)
                    self.beside[right].add(left)

    def total(self, labels: tuple[str, ...]) -> int:
        """The price of these seats, in minor units."""
        return sum(self.prices[label] for label in labels)

    def lone_companions(self, seats: tuple[str, ...], others: set[str]) -> list[str]:
        """The companion seats among `seats` without an accessible seat beside them in `seats` or `others`."""
        mine = self.accessible & {*seats, *others}
        return [label for label in seats if label in self.companions and not self.beside[label] & mine]


TWO_ROWS = Hall(
    Layout(
        (
            Section(
                "Stalls",
                Money(1000, CURRENCY),
                (Row("A", 4, prices=(SeatPrice(("A4",), Money(800, CURRENCY)),)),),
            ),
            Section("Circle", Money(500, CURRENCY), (Row("B", 3),)),
        ),
        accessible=("A1",),
        companions=("A2",),
        restricted_view=("B3",),
    )
)
"""Two sections, an accessible seat with its companion seat, and a seat with a price of its own."""

ONE_ROW = Hall(
    Layout(
        (
            Section(
                "",
                Money(1000, CURRENCY),
                (
                    Row(
                        "R",
                        6,
                        aisles_after=(4,),
                        prices=(SeatPrice(("R1", "R6"), Money(700, CURRENCY)),),
                    ),
                ),
            ),
        ),
        accessible=("R2",),
        companions=("R1", "R3"),
    )
)
"""One row, in which most requests are in each other's way."""
