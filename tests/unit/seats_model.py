"""A simple model of a hall's seats, which checks choices of the best ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Wish = tuple[str | None, int | None]
"""The kind and the highest price that a request asks for."""
Row = list[str]
"""Labels from one end to the other; "|" is an aisle."""


class SeatsModel:
    """The model. `sections`: name → (price of a seat, rows from the best to the worst)."""

    def __init__(
        self,
        sections: dict[str, tuple[int, list[Row]]],
        accessible: frozenset[str] = frozenset(),
        companions: frozenset[str] = frozenset(),
        prices: dict[str, int] | None = None,
    ) -> None:
        self.sections = sections
        self.accessible = accessible
        self.companions = companions
        self.price = {
            label: price for price, rows in sections.values() for row in rows for label in row if label != "|"
        }
        self.price.update(prices or {})
        self.labels = list(self.price)

    def beside(self, label: str) -> list[str]:
        """The seats beside a seat, without an aisle between them."""
        return [
            row[at]
            for _, rows in self.sections.values()
            for row in rows
            if label in row
            for at in (row.index(label) - 1, row.index(label) + 1)
            if 0 <= at < len(row) and row[at] != "|"
        ]

    def enough(
        self, states: str, quantity: int, section: str | None, adjacent: bool, wish: Wish = (None, None)
    ) -> bool:
        """Whether `quantity` seats are available, in one block or, if not `adjacent`, in several."""
        free, rows = self._free(states, wish), self._rows(section)
        if wish[0] == "accessible":
            return self._enough_accessible(rows, free, quantity, adjacent)
        return any(_blocks(rows, free, quantity)) or (
            not adjacent and sum(len(run) for row in rows for run in _runs(row, free)) >= quantity
        )

    def _enough_accessible(self, rows: list[Row], free: set[str], quantity: int, adjacent: bool) -> bool:
        if any(self._is_accessible(block[-1]) for block in _blocks(rows, free, quantity)):
            return True
        accessible = {label for row in rows for label in row} & free & self.accessible
        companions = {label for label in free & self.companions if accessible & set(self.beside(label))}
        return not adjacent and len(accessible) + len(companions) >= quantity

    def _is_accessible(self, block: Iterable[str]) -> bool:
        """Whether these seats are accessible ones, and companion seats each beside one of them."""
        seats = set(block)
        return bool(seats & self.accessible) and all(
            set(self.beside(label)) & self.accessible & seats for label in seats & self.companions
        )

    def check_choice(
        self,
        states: str,
        quantity: int,
        section: str | None,
        chosen: list[str],
        wish: Wish = (None, None),
    ) -> None:
        """Asserts that `chosen` are the best `quantity` available seats."""
        free, rows = self._free(states, wish), self._rows(section)
        if wish[0] == "accessible":
            assert len(set(chosen)) == quantity
            assert set(chosen) <= free
            pieces_of_row = [run for row in rows for run in _runs(row, set(chosen))]
            assert all(self._is_accessible(run) for run in pieces_of_row)
            return
        blocks = list(_blocks(rows, free, quantity))
        if blocks:
            assert tuple(chosen) == min(blocks)[-1], f"the best together are {min(blocks)[-1]}, not {chosen}"
            return
        assert len(chosen) == quantity
        assert set(chosen) <= free
        assert chosen == [label for label in self.labels if label in chosen]
        pieces = sum(1 for row in rows for _ in _runs(row, set(chosen)))
        runs = sorted((len(run) for row in rows for run in _runs(row, free)), reverse=True)
        fewest = next(n for n in range(1, len(runs) + 1) if sum(runs[:n]) >= quantity)
        assert pieces == fewest, f"{chosen} are {pieces} pieces where {fewest} would do"

    def _free(self, states: str, wish: Wish) -> set[str]:
        """The available seats of the wanted kind that cost no more than wanted."""
        kind, max_price = wish
        special = self.accessible | self.companions
        return {
            label
            for label, state in zip(self.labels, states, strict=True)
            if state == "a"
            and (label in special) == (kind == "accessible")
            and (max_price is None or self.price[label] <= max_price)
        }

    def _rows(self, section: str | None) -> list[Row]:
        return [row for name, (_, rows) in self.sections.items() if section in (None, name) for row in rows]


def _runs(row: Row, among: set[str]) -> Iterator[Row]:
    """The maximal runs of seats side by side."""
    run: Row = []
    for label in [*row, "|"]:
        if label in among:
            run.append(label)
        else:
            if run:
                yield run
            run = []


def _blocks(
    rows: list[Row], free: set[str], quantity: int
) -> Iterator[tuple[int, int, int, int, tuple[str, ...]]]:
    """All blocks, as (seats left alone, row, distance from its middle, place, labels); the least is the best."""
    for number, row in enumerate(rows):
        seats = [label for label in row if label != "|"]
        for run in _runs(row, free):
            for start in range(len(run) - quantity + 1):
                alone = (start == 1) + (len(run) - start - quantity == 1)
                place = seats.index(run[start])
                off_centre = abs(2 * place + quantity - len(seats))
                yield alone, number, off_centre, place, tuple(run[start : start + quantity])
