"""Best seats with kinds of seats and with a highest price, against a model that tries every choice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.layout import Layout, Money, Row, SeatPrice, Section
from schemas.layout_problems import problems
from schemas.seating import Seating
from seat_workers.best_seats import best_seats

PRICES = (100, 50)


def seating_of(kinds: str, dear: tuple[int, ...] = ()) -> Seating:
    """Two sections: row A of nine seats with an aisle after the fifth, at 100, and row B of seven, at 50."""
    labels = [*(f"A{n}" for n in range(1, 10)), *(f"B{n}" for n in range(1, 8))]

    def row(name: str, seats: int, aisles: tuple[int, ...]) -> Row:
        prices = (SeatPrice(tuple(labels[n] for n in dear if labels[n][0] == name), Money(200, "EUR")),)
        return Row(name, seats, aisles, prices=prices if prices[0].seats else ())

    layout = Layout(
        (
            Section("Stalls", Money(PRICES[0], "EUR"), (row("A", 9, (5,)),)),
            Section("Circle", Money(PRICES[1], "EUR"), (row("B", 7, ()),)),
        ),
        accessible=tuple(labels[n] for n, kind in enumerate(kinds) if kind == "w"),
        companions=tuple(labels[n] for n, kind in enumerate(kinds) if kind == "c"),
        restricted_view=tuple(labels[n] for n, kind in enumerate(kinds) if kind == "r"),
    )
    assert not [*problems(layout)]
    return Seating(layout)


KINDS = st.text("wwcc-r", min_size=16, max_size=16)
STATES = st.text("aaas", min_size=16, max_size=16)
DEAR = st.sets(st.integers(0, 15), max_size=4).map(lambda seats: tuple(sorted(seats)))
CEILINGS = st.sampled_from([None, 0, 50, 99, 100, 200])
SECTIONS = st.sampled_from([None, "Stalls", "Circle"])


def keeps_rule(seating: Seating, seats: tuple[int, ...]) -> bool:
    """Whether seats are a block with an accessible seat, and one beside each companion seat."""
    kinds = seating.kinds or b""
    side_by_side = all(later in seating.neighbours(seat) for seat, later in itertools.pairwise(seats))
    letters = [chr(kinds[seat]) for seat in seats]
    return (
        side_by_side
        and "w" in letters
        and set(letters) <= {"w", "c"}
        and all("w" in letters[max(0, n - 1) : n + 2] for n, letter in enumerate(letters) if letter == "c")
    )


def eligible(
    seating: Seating, states: str, section: str | None, max_price: int | None, letters: str
) -> list[int]:
    kinds = (seating.kinds or b"-" * 16).decode()
    sections = ["Stalls"] * 9 + ["Circle"] * 7
    return [
        seat
        for seat in range(16)
        if states[seat] == "a"
        and kinds[seat] in letters
        and section in (None, sections[seat])
        and (max_price is None or seating.price_of(seat) <= max_price)
    ]


def blocks(seating: Seating, seats: list[int], quantity: int) -> list[tuple[int, ...]]:
    """Every block of this size."""
    return [
        block
        for block in zip(*(seats[n:] for n in range(quantity)), strict=False)
        if all(later in seating.neighbours(seat) for seat, later in itertools.pairwise(block))
    ]


def order(seating: Seating, seats: list[int], block: tuple[int, ...]) -> tuple[int, ...]:
    """The order of preference of accessible blocks."""
    kinds = seating.kinds or b""
    row = next(n for n, span in enumerate(seating.rows) if span.start <= block[0] < span.end)
    span = seating.rows[row]
    orphans = 0
    for end, step in ((block[0], -1), (block[-1], 1)):
        beside, beyond = end + step, end + 2 * step
        free = beside in seats and beside in seating.neighbours(end)
        orphans += free and not (beyond in seats and beyond in seating.neighbours(beside))
    off_centre = abs(block[0] + block[-1] + 1 - span.start - span.end)
    return sum(kinds[seat] == ord("w") for seat in block), orphans, row, off_centre, block[0]


@given(KINDS, STATES, DEAR, st.integers(1, 8), SECTIONS, CEILINGS)
def test_accessible_seats_are_the_best_of_all_blocks(
    kinds: str, states: str, dear: tuple[int, ...], quantity: int, section: str | None, max_price: int | None
) -> None:
    seating = seating_of(kinds, dear)
    seats = best_seats(
        states.encode(), seating, quantity, section, True, kind="accessible", max_price=max_price
    )
    free = eligible(seating, states, section, max_price, "wc")
    possible = [block for block in blocks(seating, free, quantity) if keeps_rule(seating, block)]
    best = min(possible, key=lambda block: order(seating, free, block), default=None)
    assert seats == (None if best is None else [*best])


@given(KINDS, STATES, DEAR, st.integers(1, 10), SECTIONS, CEILINGS)
def test_a_split_group_gets_pieces_that_keep_the_rule_whenever_there_are_any(
    kinds: str, states: str, dear: tuple[int, ...], quantity: int, section: str | None, max_price: int | None
) -> None:
    seating = seating_of(kinds, dear)
    seats = best_seats(
        states.encode(), seating, quantity, section, False, kind="accessible", max_price=max_price
    )
    free = eligible(seating, states, section, max_price, "wc")
    if seats is None:
        assert quantity not in _reachable(seating, free)
        return
    assert len(set(seats)) == quantity
    assert seats == sorted(seats)
    assert set(seats) <= set(free)
    pieces: list[tuple[int, ...]] = []
    piece: tuple[int, ...] = (seats[0],)
    for seat in seats[1:]:
        if seat in seating.neighbours(piece[-1]):
            piece = (*piece, seat)
        else:
            pieces.append(piece)
            piece = (seat,)
    assert all(keeps_rule(seating, one) for one in (*pieces, piece))
    if any(keeps_rule(seating, block) for block in blocks(seating, free, quantity)):
        assert pieces == [], "one block, where there is one"


def _reachable(seating: Seating, free: list[int]) -> set[int]:
    """The numbers of seats that can be chosen so that every piece keeps the rule."""
    reach: list[set[int]] = [{0}]  # by the number of free seats looked at
    for end in range(1, len(free) + 1):
        sizes = set(reach[end - 1])
        for start in range(end):
            if keeps_rule(seating, tuple(free[start:end])):
                sizes |= {size + end - start for size in reach[start]}
        reach.append(sizes)
    return reach[-1]


@given(KINDS, STATES, DEAR, st.integers(1, 8), SECTIONS, CEILINGS, st.booleans())
def test_without_a_kind_the_seats_are_those_of_a_plain_layout_in_which_the_others_are_taken(
    kinds: str,
    states: str,
    dear: tuple[int, ...],
    quantity: int,
    section: str | None,
    max_price: int | None,
    adjacent: bool,
) -> None:
    seating = seating_of(kinds, dear)
    free = eligible(seating, states, section, max_price, "-r")
    as_taken = bytes(ord("a") if seat in free else ord("s") for seat in range(16))
    expected = best_seats(as_taken, seating_of("-" * 16), quantity, section, adjacent)
    asked = best_seats(states.encode(), seating, quantity, section, adjacent, max_price=max_price)
    assert asked == expected
    if adjacent:
        assert (asked is None) == (not blocks(seating, free, quantity))


@pytest.mark.parametrize(
    ("kinds", "quantity", "expected"),
    [
        ("wc--------------", 2, [0, 1]),
        ("cw-wc-----------", 2, [3, 4]),
        ("ww---wc---------", 2, [5, 6]),  # fewest accessible seats before the order of rows and seats
        ("wcc-------------", 3, None),  # the second companion seat has no accessible seat beside it
        ("wccw------------", 4, [0, 1, 2, 3]),
        ("----wc----------", 2, None),  # an aisle between them
        ("cc--------------", 1, None),
        ("----------------", 1, None),
    ],
)
def test_each_companion_seat_is_beside_an_accessible_seat_of_the_block(
    kinds: str, quantity: int, expected: list[int] | None
) -> None:
    assert best_seats(b"a" * 16, seating_of(kinds), quantity, None, True, kind="accessible") == expected


def test_a_gap_of_two_companion_seats_is_split_where_three_do_not_fit() -> None:
    seating = seating_of("wccw------------")
    assert best_seats(b"a" * 16, seating, 3, None, True, kind="accessible") is None
    assert best_seats(b"a" * 16, seating, 3, None, False, kind="accessible") in ([0, 1, 3], [0, 2, 3])
    assert best_seats(b"a" * 16, seating, 5, None, False, kind="accessible") is None


def test_restricted_view_is_ordinary_and_the_caller_s_states_stay() -> None:
    states = bytearray(b"a" * 16)
    assert best_seats(states, seating_of("r" * 16), 5, None, True, max_price=60) == [9, 10, 11, 12, 13]
    assert best_seats(states, seating_of("w" * 16), 1, None, True) is None
    assert states == b"a" * 16
