"""The crowd's pure parts: durations, the house, how customers choose and come, and the check."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import SeatMapSnapshot, ShowTerms
from ops.crowd.accounts import invented_name
from ops.crowd.arrivals import arrival_times
from ops.crowd.check import Booking, find_violations
from ops.crowd.choice import choose_accessible, choose_seats, group_size
from ops.crowd.command import summary
from ops.crowd.customer import Letters
from ops.crowd.durations import read_duration
from ops.crowd.house import House, SeatMap
from ops.crowd.run import Result
from ops.crowd.tally import Tally
from ops.sample.layouts import cinema, hall
from ops.sample.theatre import theatre
from schemas.layout import Layout, encode_layout


def house_of(layout: Layout) -> House:
    encoded = EncodedLayout(encode_layout(layout))
    body = SeatMapSnapshot(1, encoded, 5, [], ShowTerms("open", 2**52)).body()
    return House(msgspec.json.decode(body, type=SeatMap))


THEATRE, CINEMA, HALL = house_of(theatre("EUR")), house_of(cinema("EUR")), house_of(hall("EUR"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("90", 90), ("2m", 120), ("1m30s", 90), ("1h", 3600), (" 5S ", 5), ("24h", 86400)],
)
def test_durations(text: str, seconds: int) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "soon", "-5s", "1.5m", "25h", "s", "10 s", "9" * 40])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="such as 60s"):
        read_duration(text)


def test_a_house_has_the_seats_of_the_map_and_the_best_are_in_the_middle() -> None:
    assert [len(THEATRE), len(CINEMA), len(HALL)] == [866, 220, 120]
    best = max(range(432), key=THEATRE.quality.__getitem__)
    assert THEATRE.labels[best][0] in "DEFGH"
    assert all(0 <= quality <= 1 for quality in THEATRE.quality)
    assert THEATRE.quality[best] > 0.9 > 0.3 > THEATRE.quality[THEATRE.index["O1"]]


@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([THEATRE, CINEMA, HALL]), st.floats(0, 1))
def test_chosen_seats_are_free_and_side_by_side(seed: int, size: int, house: House, taken: float) -> None:
    dice = Random(seed)
    states = ["s" if dice.random() < taken else "a" for _ in range(len(house))]
    seats = choose_seats(house, states, size, dice)
    runs = [run for runs in house.runs for run in runs]
    if seats is None:
        free = [s == "a" and k not in "wc" for s, k in zip(states, house.kinds, strict=True)]
        assert len(runs) > 40 or not any(
            all(free[start : start + size]) for run in runs for start in range(run.start, run.end - size + 1)
        )
    else:
        assert len(seats) == size
        assert all(states[seat] == "a" and house.kinds[seat] not in "wc" for seat in seats)
        assert any(run.start <= seats[0] and seats[-1] < run.end for run in runs)
        assert seats == [*range(seats[0], seats[0] + size)]


def test_the_house_fills_from_its_good_seats() -> None:
    dice, states = Random(4), ["a"] * len(THEATRE)
    quality: list[float] = []
    while (seats := choose_seats(THEATRE, states, group_size(dice), dice)) is not None:
        quality += [THEATRE.quality[seat] for seat in seats]
        for seat in seats:
            states[seat] = "s"
    assert len(quality) > 800
    assert sum(quality[:200]) / 200 > sum(quality[-200:]) / 200 + 0.15


def test_wheelchair_users_take_a_companion_seat_with_theirs() -> None:
    seats = choose_accessible(THEATRE, ["a"] * len(THEATRE), Random(1))
    assert seats is not None
    assert sorted(THEATRE.kinds[seat] for seat in seats) == ["c", "w"]
    assert choose_accessible(THEATRE, ["s"] * len(THEATRE), Random(1)) is None
    assert choose_accessible(HALL, ["a"] * len(HALL), Random(1)) is None


@given(st.integers(0, 500), st.floats(1, 3600), st.integers(0, 2**32))
def test_customers_come_in_order_and_in_time_to_finish(people: int, for_s: float, seed: int) -> None:
    times = arrival_times(people, for_s, Random(seed))
    assert len(times) == people
    assert times == sorted(times)
    assert all(0 <= at <= 0.9 * for_s for at in times)
    assert times == arrival_times(people, for_s, Random(seed)), "the same seed, the same crowd"


def test_changes_of_the_live_map_are_seen() -> None:
    letters = Letters(HALL)
    letters.receive('{"type":"seats","version":3,"states":"' + "a" * 120 + '"}')
    letters.receive('{"type":"changes","version":4,"changes":{"2":"h","120":"s"}}')
    letters.receive('{"type":"show","status":"closed"}')
    assert "".join(letters.letters) == "ah" + "a" * 117 + "s"


def test_names_are_invented_and_marked() -> None:
    names = [invented_name(number) for number in range(300)]
    assert all(name.endswith(" (crowd)") for name in names)
    assert len(set(names)) > 200


# --- the check ---


def booking(name: str, status: str, *seats: str) -> Booking:
    return Booking(name, 7, status, seats)


def violations(
    bookings: Sequence[Booking],
    letters: str,
    *,
    promised: Sequence[Booking] = (),
    stored: Sequence[tuple[str, int, int]] | None = None,
) -> list[str]:
    by_label = {f"A{n}": letter for n, letter in enumerate(letters, 1)}
    return find_violations({one.id: one for one in promised}, bookings, by_label, stored)


def test_all_is_well() -> None:
    one, other = booking("b1", "confirmed", "A1", "A2"), booking("b2", "held", "A3")
    gone = booking("b3", "cancelled", "A1", "A4")
    stored = [("A1", 1, 1), ("A2", 1, 1), ("A3", 1, 1)]
    assert violations([one, other, gone], "sshab", promised=[one], stored=stored) == []


def test_a_seat_in_two_bookings_was_sold_twice() -> None:
    [found] = violations([booking("b1", "confirmed", "A1"), booking("b2", "confirmed", "A1")], "s")
    assert found == "seat A1 was sold twice: in bookings b1 and b2"


@pytest.mark.parametrize(("status", "letter"), [("confirmed", "a"), ("confirmed", "h"), ("held", "a")])
def test_the_map_says_what_the_bookings_say(status: str, letter: str) -> None:
    [found] = violations([booking("b1", status, "A1")], letter)
    assert f"{letter!r} on the map" in found


def test_what_was_confirmed_is_still_there() -> None:
    promised = booking("b1", "confirmed", "A1")
    [lost] = violations([], "a", promised=[promised])
    assert lost == "booking b1 of A1 was confirmed, and is not listed"
    [other] = violations([booking("b1", "expired", "A1")], "a", promised=[promised])
    assert "is expired" in other
    [seats] = violations([booking("b1", "confirmed", "A2")], "as", promised=[promised])
    assert "with A2" in seats


def test_the_database_has_one_claim_for_a_booking() -> None:
    assert "2 live bookings" in violations([], "s", stored=[("A1", 1, 2)])[0]
    assert "2 claims" in violations([], "s", stored=[("A1", 2, 1)])[0]
    assert "0 claims, but 1" in violations([], "s", stored=[("A1", 0, 1)])[0]


def test_the_lines_say_what_happened() -> None:
    tally = Tally()
    assert tally.second(0.2).line().endswith("median –")
    tally.did.update(arrived=5, bought=2)
    tally.refused("seat_taken")
    tally.took(0.004)
    assert "arrived    5" in tally.second(3).line()
    assert "refused    1" in tally.second(3).line()
    result = Result(
        show_id=7,
        seed=1,
        took_s=9.8,
        did=dict(tally.did) | {"asked_to_wait": 3},
        refusals=tally.refusals,
        seats_left=3,
        median_ms=tally.median_ms(),
        checked_bookings=2,
        checked_database=True,
        violations=[],
    )
    text = summary(result)
    assert "5 customers came" in text
    assert "Refused: 1 seat_taken." in text
    assert "AISLE_RATE_LIMITS=off" in text
    assert text.endswith("Checked 2 bookings (API and database): no seat was sold twice.")
    wrong = summary(msgspec.structs.replace(result, violations=["seat A1 was sold twice"]))
    assert "WRONG: seat A1 was sold twice\n1 violations" in wrong
