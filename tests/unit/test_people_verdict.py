"""What the load test takes for true: bookings as they were acknowledged against bookings as they are."""

from __future__ import annotations

import pytest

from loadtest.locust.check import Looked, wrongs
from loadtest.locust.observations import Doubt, Gathering, Handed, Sighting, Sightings
from loadtest.locust.summary import judgement, story

SHOW = 7


def seen(
    booking: str, status: str, offset: int, *, seats: tuple[str, ...] = ("A1",), customer: int = 0
) -> Sighting:
    return Sighting(
        customer=customer,
        booking_id=booking,
        show_id=SHOW,
        user_id=customer + 100,
        status=status,
        seats=seats,
        partition=3,
        offset=offset,
    )


def found(*bookings: Sighting, letters: str = "", alone: bool = False) -> Looked:
    """What the service says; `letters` are those of A1, A2, …"""
    return Looked(
        found={one.booking_id: one for one in bookings},
        letters={SHOW: {f"A{at}": letter for at, letter in enumerate(letters, 1)}} if letters else {},
        alone=frozenset({SHOW} if alone else ()),
    )


@pytest.mark.parametrize(
    "story",
    [
        [seen("b", "confirmed", 5)],
        [seen("b", "held", 5), seen("b", "confirmed", 9)],
        [seen("b", "held", 5), seen("b", "released", 9)],
        [seen("b", "confirmed", 5), seen("b", "confirmed", 5), seen("b", "cancelled", 9)],
    ],
)
def test_what_was_acknowledged_and_is_so_is_well(story: list[Sighting]) -> None:
    assert wrongs(story, [], found(story[-1])) == []
    assert wrongs(reversed(story), [], found(story[-1])) == []


def test_a_hold_may_have_run_out() -> None:
    assert wrongs([seen("b", "held", 5)], [], found(seen("b", "expired", 8))) == []


def test_a_lost_booking_is_told() -> None:
    (told,) = wrongs([seen("b", "confirmed", 5)], [], found())
    assert told == "booking b of customer 100 in show 7, acknowledged as confirmed at 3-5, is not there"


@pytest.mark.parametrize(
    ("last", "now"),
    [
        ("confirmed", "cancelled"),
        ("confirmed", "expired"),
        ("held", "confirmed"),
        ("held", "released"),
        ("cancelled", "confirmed"),
        ("released", "held"),
    ],
)
def test_a_change_that_nobody_asked_for_is_told(last: str, now: str) -> None:
    (told,) = wrongs([seen("b", last, 5)], [], found(seen("b", now, 8)))
    assert f"acknowledged as {last} at 3-5, is {now} since 3-8" in told


@pytest.mark.parametrize(
    ("last", "action", "now", "well"),
    [
        ("held", "confirm", "confirmed", True),
        ("held", "cancel", "released", True),
        ("confirmed", "cancel", "cancelled", True),
        ("held", "cancel", "confirmed", False),
        ("confirmed", "confirm", "cancelled", False),
        ("cancelled", "confirm", "confirmed", False),
    ],
)
def test_a_request_without_an_answer_may_have_been_done(last: str, action: str, now: str, well: bool) -> None:
    doubt = Doubt(0, SHOW, action, "b")
    assert (wrongs([seen("b", last, 5)], [doubt], found(seen("b", now, 8))) == []) is well
    assert wrongs([seen("b", last, 5)], [Doubt(0, SHOW, action, "other")], found(seen("b", now, 8)))


def test_a_booking_that_went_back_to_what_it_was_is_told() -> None:
    story = [seen("b", "held", 5), seen("b", "confirmed", 9)]
    (told,) = wrongs(story, [], found(seen("b", "held", 5)))
    assert "is as it was at 3-5, but 3-9 was acknowledged" in told


def test_two_answers_for_one_position_are_told() -> None:
    story = [seen("b", "confirmed", 5), seen("b", "held", 5)]
    assert any("was confirmed and held at 3-5" in told for told in wrongs(story, [], found(story[0])))


def test_a_booking_whose_seats_have_changed_is_told() -> None:
    (told,) = wrongs([seen("b", "confirmed", 5)], [], found(seen("b", "confirmed", 5, seats=("A2",))))
    assert "has not always had the same seats" in told


def test_a_seat_that_two_have_is_sold_twice() -> None:
    bookings = [seen("b", "confirmed", 5), seen("c", "confirmed", 6, customer=1)]
    (told,) = wrongs(bookings, [], found(*bookings))
    assert told.startswith("seat A1 of show 7 was sold twice: to customer 100 (booking b, confirmed) and")


def test_a_seat_that_two_had_for_a_while_was_sold_twice_though_nobody_has_it_now() -> None:
    story = [
        seen("b", "confirmed", 5),
        seen("c", "confirmed", 6, customer=1),
        seen("b", "cancelled", 7),
        seen("c", "cancelled", 8, customer=1),
    ]
    (told,) = wrongs(story, [], found(*story[2:]))
    assert "was sold twice" in told


def test_a_seat_given_back_or_run_out_may_be_sold_again() -> None:
    story = [
        seen("b", "confirmed", 5),
        seen("b", "cancelled", 7),
        seen("c", "held", 8, customer=1),
        seen("d", "confirmed", 10, customer=2),
    ]
    # One decision lets the hold run out and sells its seat.
    now = [story[1], seen("c", "expired", 10, customer=1), story[3]]
    assert wrongs(story, [], found(*now)) == []


def test_one_seat_of_many_is_enough() -> None:
    bookings = [seen("b", "held", 5, seats=("A1", "A2")), seen("c", "held", 6, seats=("A2", "A3"))]
    (told,) = wrongs(bookings, [], found(*bookings))
    assert told.startswith("seat A2 ")


def test_a_booking_that_nobody_was_told_of_counts_as_an_owner() -> None:
    assert wrongs(
        [seen("b", "confirmed", 5)], [], found(seen("b", "confirmed", 5), seen("c", "confirmed", 6))
    )


@pytest.mark.parametrize(("status", "letter"), [("confirmed", "s"), ("held", "h")])
def test_the_seat_map_has_to_agree(status: str, letter: str) -> None:
    booking = seen("b", status, 5)
    assert wrongs([booking], [], found(booking, letters=letter, alone=True)) == []
    for other in {"a", "b", "h", "s"} - {letter}:
        (told,) = wrongs([booking], [], found(booking, letters=other))
        assert f"but '{other}' on the seat map" in told


def test_on_a_show_of_our_own_every_seat_sold_is_somebodys() -> None:
    booking = seen("b", "confirmed", 5)
    assert wrongs([booking], [], found(booking, letters="ssb")) == []
    (told,) = wrongs([booking], [], found(booking, letters="ssb", alone=True))
    assert told == "seat A2 of show 7 is 's' on the seat map, but nobody's"


def test_on_a_show_of_our_own_somebody_was_told_of_every_booking() -> None:
    now = found(seen("b", "confirmed", 5), letters="s", alone=True)
    (told,) = wrongs([], [], now)
    assert "but nobody was told of it" in told
    assert wrongs([], [Doubt(0, SHOW, "bookings", "")], now) == []
    assert wrongs([], [Doubt(1, SHOW, "bookings", "")], now)


def test_one_doubt_explains_one_booking() -> None:
    doubt = Doubt(0, SHOW, "bookings", "")
    now = found(seen("b", "confirmed", 5), seen("c", "confirmed", 6, seats=("A2",)), letters="ss", alone=True)
    (told,) = wrongs([], [doubt], now)
    assert "nobody was told of it" in told


def handed(worker: str, number: int, *bookings: Sighting, last: bool = False) -> Handed:
    pieces = Sightings(seen=list(bookings), outcomes={"booked seats": len(bookings)}, requests=2, cpu_s=0.5)
    return Handed(worker, number, last, pieces.hand_over())


def test_what_workers_saw_comes_together() -> None:
    whole, gathering = Sightings(), Gathering()
    gathering.take(handed("x", 0, seen("b", "held", 5)), whole)
    gathering.take(handed("y", 0, last=True), whole)
    gathering.take(handed("x", 1, seen("c", "held", 6), last=True), whole)
    assert [one.booking_id for one in whole.seen] == ["b", "c"]
    assert (whole.outcomes, whole.requests, whole.cpu_s) == ({"booked seats": 2}, 6, 1.5)
    assert gathering.missing({"x", "y"}) == []


def test_a_worker_that_has_not_told_all_is_missing() -> None:
    whole, gathering = Sightings(), Gathering()
    gathering.take(handed("begun", 0), whole)
    gathering.take(handed("gap", 0), whole)
    gathering.take(handed("gap", 2, last=True), whole)
    gathering.take(handed("well", 0, last=True), whole)
    assert gathering.missing({"well", "silent"}) == ["begun", "gap", "silent"]


def test_handing_over_empties() -> None:
    sightings = Sightings(seen=[seen("b", "held", 5)], doubts=[Doubt(0, SHOW, "holds", "")], requests=1)
    sightings.count("held seats")
    again = Sightings()
    again.take(sightings.hand_over())
    assert (len(again.seen), len(again.doubts), again.requests) == (1, 1, 1)
    assert sightings == Sightings()


def test_the_summary_shows_the_most_frequent_first_and_a_few_of_many_wrongs() -> None:
    sightings = Sightings(outcomes={"booked seats": 3, "seat_taken": 1000}, requests=100, cpu_s=0.05)
    lines = story(sightings)
    assert lines[1].split() == ["1,000", "seat_taken"]
    assert lines[-1].endswith("500 µs each.")
    told = judgement(sightings, [str(number) for number in range(30)])
    assert [line for line in told if line.startswith("WRONG")][-1] == "WRONG: 19."
    assert "10 more" in told[-2]
    assert judgement(sightings, [])[0].startswith("All is as people were told")
