from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.layout import Layout, Money, Row, Section
from schemas.seating import Seating
from seat_workers.best_seats import best_seats

EUR = Money(100, "EUR")
CINEMA = Seating(
    Layout(
        (
            Section("Stalls", EUR, (Row("A", 8), Row("B", 8, aisles_after=(4,)))),
            Section("Circle", EUR, (Row("C", 6),)),
        )
    )
)


def chosen(states: str, quantity: int, section: str | None = None, adjacent: bool = True) -> list[str] | None:
    seats = best_seats(states.encode().ljust(22, b"a"), CINEMA, quantity, section, adjacent)
    return None if seats is None else [CINEMA.labels[seat] for seat in seats]


@pytest.mark.parametrize(
    ("states", "quantity", "labels"),
    [
        ("aaaaaaaa", 2, ["A4", "A5"]),
        ("aaaaaaaa", 8, ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"]),
        ("aaassaaa", 3, ["A1", "A2", "A3"]),
        ("ssssssss", 2, ["B3", "B4"]),
        ("ssssssss", 6, ["C1", "C2", "C3", "C4", "C5", "C6"]),
        ("aaasssss", 2, ["B3", "B4"]),
        ("aaasssssssssssssssssss", 2, ["A2", "A3"]),
        ("sassssss", 1, ["A2"]),
        ("aaaaaaaa", 9, None),
    ],
)
def test_best_row_first_then_its_middle_without_single_seats_left(
    states: str, quantity: int, labels: list[str] | None
) -> None:
    assert chosen(states, quantity) == labels


def test_seats_across_an_aisle_are_not_adjacent() -> None:
    assert chosen("s" * 8 + "sssaasss" + "s" * 6, 2) is None


def test_only_the_requested_section() -> None:
    assert chosen("", 2, "Circle") == ["C3", "C4"]
    assert chosen("", 2, "Balcony") is None


def test_a_split_group_gets_the_fewest_blocks() -> None:
    states = "aasaaasa" + "s" * 14
    assert chosen(states, 5) is None
    assert chosen(states, 5, adjacent=False) == ["A1", "A2", "A4", "A5", "A6"]
    assert chosen(states, 6, adjacent=False) == ["A1", "A2", "A4", "A5", "A6", "A8"]
    assert chosen(states, 7, adjacent=False) is None


def _pieces(seats: list[int]) -> int:
    segments = [segment for row in CINEMA.rows for segment in row.segments]
    runs = 0
    for start, end in segments:
        inside = [seat for seat in seats if start <= seat < end]
        runs += sum(1 for seat in inside if seat - 1 not in inside)
    return runs


@given(st.text("as", min_size=22, max_size=22), st.integers(1, 10), st.booleans())
def test_chosen_seats_are_available_and_in_the_fewest_blocks(
    states: str, quantity: int, adjacent: bool
) -> None:
    seats = best_seats(states.encode(), CINEMA, quantity, None, adjacent)
    free = [seat for seat, state in enumerate(states) if state == "a"]
    runs = sorted((len(run) for segment in _free_runs(states) for run in [segment]), reverse=True)
    fewest = next((n for n in range(1, len(runs) + 1) if sum(runs[:n]) >= quantity), None)
    if fewest is None or (adjacent and fewest > 1):
        assert seats is None
        return
    assert seats is not None
    assert len(set(seats)) == quantity
    assert set(seats) <= set(free)
    assert _pieces(seats) == fewest


def _free_runs(states: str) -> list[str]:
    segments = [states[start:end] for row in CINEMA.rows for start, end in row.segments]
    return ["".join(run) for segment in segments for state, run in itertools.groupby(segment) if state == "a"]


@given(st.text("as", min_size=22, max_size=22), st.integers(1, 9))
def test_adjacent_seats_are_the_best_of_all_blocks(states: str, quantity: int) -> None:
    assert best_seats(states.encode(), CINEMA, quantity, None, True) == _best_of_all_blocks(states, quantity)


@pytest.mark.parametrize("quantity", range(1, 9))
def test_in_a_row_of_eight_the_best_block_is_best_whatever_is_sold(quantity: int) -> None:
    for sold in itertools.product("as", repeat=8):
        states = "".join(sold) + "s" * 14
        expected = _best_of_all_blocks(states, quantity)
        assert best_seats(states.encode(), CINEMA, quantity, None, True) == expected, states


def _best_of_all_blocks(states: str, quantity: int) -> list[int] | None:
    """The first row with the fewest single seats left; in it the block nearest to the middle, the left one of two."""
    best: tuple[int, list[int]] | None = None
    for row in CINEMA.rows:
        blocks = []
        for start, end in row.segments:
            free = [start <= seat < end and states[seat] == "a" for seat in range(len(states) + 2)]
            for place in range(start, end - quantity + 1):
                after = place + quantity
                if all(free[place:after]):
                    left = free[place - 1] and not free[place - 2] if place > start else False
                    right = free[after] and not free[after + 1]
                    off_centre = abs((place + after) - (row.start + row.end))
                    blocks.append((left + right, off_centre, place))
        if blocks and (best is None or min(blocks)[0] < best[0]):
            single, _, place = min(blocks)
            best = single, [*range(place, place + quantity)]
    return None if best is None else best[1]
