"""A simple model of a hall's seats, which checks choices of the best ones."""

from __future__ import annotations

from collections.abc import Iterator

Row = list[str]
"""Labels from one end to the other; "|" is an aisle."""


class SeatsModel:
    """The model. `sections`: name → (price of a seat, rows from the best to the worst)."""

    def __init__(self, sections: dict[str, tuple[int, list[Row]]]) -> None:
        self.sections = sections
        self.price = {
            label: price for price, rows in sections.values() for row in rows for label in row if label != "|"
        }
        self.labels = list(self.price)

    def enough(self, states: str, quantity: int, section: str | None, adjacent: bool) -> bool:
        """Whether `quantity` seats are available, in one block or, if not `adjacent`, in several."""
        free, rows = self._free(states), self._rows(section)
        return any(_blocks(rows, free, quantity)) or (
            not adjacent and sum(len(run) for row in rows for run in _runs(row, free)) >= quantity
        )

    def check_choice(self, states: str, quantity: int, section: str | None, chosen: list[str]) -> None:
        """Asserts that `chosen` are the best `quantity` available seats."""
        free, rows = self._free(states), self._rows(section)
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

    def _free(self, states: str) -> set[str]:
        return {label for label, state in zip(self.labels, states, strict=True) if state == "a"}

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
