"""Number of users over time, their visits and their seats."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from loadtest.locust.seat_choice import WIDEST_ROW, choose, hall
from loadtest.locust.shapes import Shape, UserCount, sale_starts_s, user_count_at
from loadtest.locust.shared_state import NotReady, SharedState, current_state, set_current_state
from loadtest.locust.shows_on_sale import FEWEST, MOST, ROW, layout, row_name
from loadtest.locust.visits import SIZES, Ending, draw
from schemas.layout import Layout
from schemas.seating import Seating

HALL = hall([["A1", "A2", "A3", "A4", "A5"], ["B1", "B2", "B3", "B4", "B5"], ["C1", "C2"]])
ALL_FREE = "a" * 12


def sizes(shape: Shape, users: int, length_s: int) -> list[int]:
    targets = [user_count_at(shape, at_s, users=users, length_s=length_s) for at_s in range(length_s)]
    assert all(targets)
    return [target.users for target in targets if target]


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("users", [1, 7, 1000])
def test_the_number_of_users_only_grows_until_the_run_ends(shape: Shape, users: int) -> None:
    counts = sizes(shape, users, 100)
    assert counts == sorted(counts)
    assert min(counts) >= 1
    assert counts[-1] == users
    assert user_count_at(shape, 100.0, users=users, length_s=100) is None


def test_in_a_spike_all_users_arrive_within_a_minute_of_the_sale() -> None:
    assert sale_starts_s(Shape.SPIKE, 600) == 60
    assert user_count_at(Shape.SPIKE, 59, users=1200, length_s=600) == UserCount(120, 120.0)
    assert user_count_at(Shape.SPIKE, 60, users=1200, length_s=600) == UserCount(1200, 20.0)
    assert user_count_at(Shape.SPIKE, 10, users=1200, length_s=30) == UserCount(1200, 120.0)


def test_a_ramp_has_ten_steps_each_reached_before_the_next() -> None:
    counts = sizes(Shape.RAMP, 1000, 100)
    assert sorted(set(counts)) == list(range(100, 1001, 100))
    assert counts.index(1000) < 80
    target = user_count_at(Shape.RAMP, 0, users=1000, length_s=100)
    assert target is not None
    assert 100 / target.per_second <= 8


def test_a_soak_has_all_users_from_its_first_tenth_on() -> None:
    assert set(sizes(Shape.SOAK, 100, 100)) == {100}
    assert user_count_at(Shape.SOAK, 0, users=600, length_s=36_000) == UserCount(600, 2.0)


def test_the_middle_of_the_preferred_row_is_selected() -> None:
    assert choose(HALL, ALL_FREE, 1, 0) == ("A3",)
    assert choose(HALL, ALL_FREE, 3, 1) == ("B2", "B3", "B4")
    assert choose(HALL, "aa" + "s" + "aa" + "a" * 7, 2, 0) in {("A1", "A2"), ("A4", "A5")}


def test_rows_behind_are_tried_before_rows_in_front() -> None:
    assert choose(HALL, "a" * 5 + "s" * 5 + "aa", 2, 1) == ("C1", "C2")
    assert choose(HALL, "a" * 5 + "s" * 5 + "aa", 3, 1) == ("A2", "A3", "A4")
    assert choose(HALL, ALL_FREE, 1, 99) in {("C1",), ("C2",)}


def test_nothing_is_selected_when_no_row_has_enough_free_seats() -> None:
    assert choose(HALL, "asasa" + "hbhbh" + "ss", 2, 0) is None
    assert choose(HALL, ALL_FREE, 6, 0) is None


def test_the_selection_is_free_adjacent_and_nearest_to_the_middle() -> None:
    rng = random.Random(1)
    for _ in range(500):
        states = "".join(rng.choices("aaahs", k=12))
        size, row = rng.randint(1, 5), rng.randint(0, 2)
        possible = [
            (abs(2 * at + size - len(one.labels)), rank, one.labels[at : at + size])
            for rank, one in enumerate((*HALL.rows[row:], *reversed(HALL.rows[:row])))
            for at in range(len(one.labels) - size + 1)
            if set(states[one.at + at : one.at + at + size]) == {"a"}
        ]
        seats = choose(HALL, states, size, row)
        if not possible:
            assert seats is None
            continue
        first = min(rank for _, rank, _ in possible)
        nearest = min(away for away, rank, _ in possible if rank == first)
        assert seats in [labels for away, rank, labels in possible if (away, rank) == (nearest, first)]


def test_a_numbered_hall_is_split_into_several_rows() -> None:
    numbered = hall([[str(n) for n in range(1, 101)]])
    assert [len(row.labels) for row in numbered.rows] == [WIDEST_ROW, WIDEST_ROW, 20]
    assert numbered.labels == [str(n) for n in range(1, 101)]
    assert [row.at for row in numbered.rows] == [0, 40, 80]


def test_visits_cover_all_sizes_and_endings() -> None:
    rng = random.Random(1)
    visits = [draw(rng) for _ in range(4000)]
    assert {visit.size for visit in visits} == set(SIZES)
    endings = Counter(visit.ending for visit in visits)
    assert set(endings) == set(Ending)
    assert endings[Ending.PAYS] > 2000
    assert sum(visit.row < 3 for visit in visits) > 2000
    assert all(visit.tries >= 2 and visit.thinks_s > 0 for visit in visits)
    assert draw(random.Random(5)) == draw(random.Random(5))


def shared_state(
    tokens: int, shows: tuple[int, ...] = (1,), *, first: int = 0, stride: int = 1
) -> SharedState:
    return SharedState(
        tokens=["t"] * tokens, shows=shows, hold_s=30, first=first, stride=stride, rng=random.Random(1)
    )


def test_processes_use_different_customers() -> None:
    states = [shared_state(10, first=number, stride=2) for number in range(2)]
    customers = [state.next_customer() for state in states for _ in range(5)]
    assert sorted(customers) == list(range(10))
    assert [shared_state(2).next_customer() for _ in range(3)] == [0, 0, 0]
    small = shared_state(2)
    assert [small.next_customer() for _ in range(3)] == [0, 1, 0]


def test_most_visits_are_for_the_first_show() -> None:
    state = shared_state(1, (5, 6, 7))
    came = Counter(state.some_show() for _ in range(1000))
    assert set(came) == {5, 6, 7}
    assert came[5] > 700
    assert {shared_state(1).some_show() for _ in range(5)} == {1}


def test_the_shared_state_must_be_set_first() -> None:
    state = shared_state(1)
    set_current_state(state)
    assert current_state() is state
    set_current_state(None)
    with pytest.raises(NotReady):
        current_state()


@pytest.mark.parametrize("users", [1, 500, 100_000])
def test_the_layout_of_a_show_is_accepted_by_aisle(users: int) -> None:
    seats = len(Seating(msgspec.convert(layout(users), Layout)))
    assert seats == min(max(users, FEWEST), MOST) // ROW * ROW
    assert seats >= FEWEST


def test_row_names_continue_after_z() -> None:
    assert [row_name(number) for number in (0, 25, 26, 51, 52, 701, 702)] == [
        "A", "Z", "AA", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip
