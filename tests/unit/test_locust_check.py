"""What the load test takes for true: bookings as they were acknowledged against bookings as they are."""

from __future__ import annotations

import pytest

from loadtest.locust.check import ServiceState, find_errors
from loadtest.locust.observations import Batch, Collector, Observation, Observations, UnknownOutcome
from loadtest.locust.summary import check_summary, outcome_summary

SHOW = 7


def observed(
    booking: str, status: str, offset: int, *, seats: tuple[str, ...] = ("A1",), customer: int = 0
) -> Observation:
    return Observation(
        customer=customer,
        booking_id=booking,
        show_id=SHOW,
        user_id=customer + 100,
        status=status,
        seats=seats,
        partition=3,
        offset=offset,
    )


def found(*bookings: Observation, seat_states: str = "", alone: bool = False) -> ServiceState:
    """What the service says; `seat_states` are those of A1, A2, …"""
    return ServiceState(
        found={one.booking_id: one for one in bookings},
        seat_states={SHOW: {f"A{at}": state for at, state in enumerate(seat_states, 1)}}
        if seat_states
        else {},
        alone=frozenset({SHOW} if alone else ()),
    )


@pytest.mark.parametrize(
    "observations",
    [
        [observed("b", "confirmed", 5)],
        [observed("b", "held", 5), observed("b", "confirmed", 9)],
        [observed("b", "held", 5), observed("b", "released", 9)],
        [observed("b", "confirmed", 5), observed("b", "confirmed", 5), observed("b", "cancelled", 9)],
    ],
)
def test_what_was_acknowledged_and_is_so_is_well(observations: list[Observation]) -> None:
    assert find_errors(observations, [], found(observations[-1])) == []
    assert find_errors(reversed(observations), [], found(observations[-1])) == []


def test_a_hold_may_have_run_out() -> None:
    assert find_errors([observed("b", "held", 5)], [], found(observed("b", "expired", 8))) == []


def test_a_lost_booking_is_told() -> None:
    (error,) = find_errors([observed("b", "confirmed", 5)], [], found())
    assert error == "booking b of customer 100 in show 7, acknowledged as confirmed at 3-5, is not there"


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
    (error,) = find_errors([observed("b", last, 5)], [], found(observed("b", now, 8)))
    assert f"acknowledged as {last} at 3-5, is {now} since 3-8" in error


@pytest.mark.parametrize(
    ("last", "action", "now", "passed"),
    [
        ("held", "confirm", "confirmed", True),
        ("held", "cancel", "released", True),
        ("confirmed", "cancel", "cancelled", True),
        ("held", "cancel", "confirmed", False),
        ("confirmed", "confirm", "cancelled", False),
        ("cancelled", "confirm", "confirmed", False),
    ],
)
def test_a_request_without_an_answer_may_have_been_done(
    last: str, action: str, now: str, passed: bool
) -> None:
    unknown_outcome = UnknownOutcome(0, SHOW, action, "b")
    assert (
        find_errors([observed("b", last, 5)], [unknown_outcome], found(observed("b", now, 8))) == []
    ) is passed
    assert find_errors(
        [observed("b", last, 5)], [UnknownOutcome(0, SHOW, action, "other")], found(observed("b", now, 8))
    )


def test_a_booking_that_went_back_to_what_it_was_is_told() -> None:
    observations = [observed("b", "held", 5), observed("b", "confirmed", 9)]
    (error,) = find_errors(observations, [], found(observed("b", "held", 5)))
    assert "is as it was at 3-5, but 3-9 was acknowledged" in error


def test_two_answers_for_one_position_are_told() -> None:
    observations = [observed("b", "confirmed", 5), observed("b", "held", 5)]
    assert any(
        "was confirmed and held at 3-5" in error
        for error in find_errors(observations, [], found(observations[0]))
    )


def test_a_booking_whose_seats_have_changed_is_told() -> None:
    (error,) = find_errors(
        [observed("b", "confirmed", 5)], [], found(observed("b", "confirmed", 5, seats=("A2",)))
    )
    assert "has not always had the same seats" in error


def test_a_seat_that_two_have_is_sold_twice() -> None:
    bookings = [observed("b", "confirmed", 5), observed("c", "confirmed", 6, customer=1)]
    (error,) = find_errors(bookings, [], found(*bookings))
    assert error.startswith("seat A1 of show 7 was sold twice: to customer 100 (booking b, confirmed) and")


def test_a_seat_that_two_had_for_a_while_was_sold_twice_though_nobody_has_it_now() -> None:
    observations = [
        observed("b", "confirmed", 5),
        observed("c", "confirmed", 6, customer=1),
        observed("b", "cancelled", 7),
        observed("c", "cancelled", 8, customer=1),
    ]
    (error,) = find_errors(observations, [], found(*observations[2:]))
    assert "was sold twice" in error


def test_a_seat_given_back_or_run_out_may_be_sold_again() -> None:
    observations = [
        observed("b", "confirmed", 5),
        observed("b", "cancelled", 7),
        observed("c", "held", 8, customer=1),
        observed("d", "confirmed", 10, customer=2),
    ]
    # One decision lets the hold run out and sells its seat.
    now = [observations[1], observed("c", "expired", 10, customer=1), observations[3]]
    assert find_errors(observations, [], found(*now)) == []


def test_one_seat_of_many_is_enough() -> None:
    bookings = [observed("b", "held", 5, seats=("A1", "A2")), observed("c", "held", 6, seats=("A2", "A3"))]
    (error,) = find_errors(bookings, [], found(*bookings))
    assert error.startswith("seat A2 ")


def test_a_booking_that_nobody_was_told_of_counts_as_an_owner() -> None:
    assert find_errors(
        [observed("b", "confirmed", 5)],
        [],
        found(observed("b", "confirmed", 5), observed("c", "confirmed", 6)),
    )


@pytest.mark.parametrize(("status", "state"), [("confirmed", "s"), ("held", "h")])
def test_the_seat_map_has_to_agree(status: str, state: str) -> None:
    booking = observed("b", status, 5)
    assert find_errors([booking], [], found(booking, seat_states=state, alone=True)) == []
    for other in {"a", "b", "h", "s"} - {state}:
        (error,) = find_errors([booking], [], found(booking, seat_states=other))
        assert f"but '{other}' on the seat map" in error


def test_on_a_show_of_our_own_every_seat_sold_is_somebodys() -> None:
    booking = observed("b", "confirmed", 5)
    assert find_errors([booking], [], found(booking, seat_states="ssb")) == []
    (error,) = find_errors([booking], [], found(booking, seat_states="ssb", alone=True))
    assert error == "seat A2 of show 7 is 's' on the seat map, but nobody's"


def test_on_a_show_of_our_own_somebody_was_told_of_every_booking() -> None:
    now = found(observed("b", "confirmed", 5), seat_states="s", alone=True)
    (error,) = find_errors([], [], now)
    assert "but nobody was told of it" in error
    assert find_errors([], [UnknownOutcome(0, SHOW, "bookings", "")], now) == []
    assert find_errors([], [UnknownOutcome(1, SHOW, "bookings", "")], now)


def test_one_doubt_explains_one_booking() -> None:
    unknown_outcome = UnknownOutcome(0, SHOW, "bookings", "")
    now = found(
        observed("b", "confirmed", 5),
        observed("c", "confirmed", 6, seats=("A2",)),
        seat_states="ss",
        alone=True,
    )
    (error,) = find_errors([], [unknown_outcome], now)
    assert "nobody was told of it" in error


def batch(worker: str, number: int, *bookings: Observation, last: bool = False) -> Batch:
    pieces = Observations(
        acknowledged=list(bookings), outcomes={"booked seats": len(bookings)}, requests=2, cpu_s=0.5
    )
    return Batch(worker, number, last, pieces.drain())


def test_what_workers_saw_comes_together() -> None:
    whole, collector = Observations(), Collector()
    collector.take(batch("x", 0, observed("b", "held", 5)), whole)
    collector.take(batch("y", 0, last=True), whole)
    collector.take(batch("x", 1, observed("c", "held", 6), last=True), whole)
    assert [one.booking_id for one in whole.acknowledged] == ["b", "c"]
    assert (whole.outcomes, whole.requests, whole.cpu_s) == ({"booked seats": 2}, 6, 1.5)
    assert collector.missing({"x", "y"}) == []


def test_a_worker_that_has_not_told_all_is_missing() -> None:
    whole, collector = Observations(), Collector()
    collector.take(batch("begun", 0), whole)
    collector.take(batch("gap", 0), whole)
    collector.take(batch("gap", 2, last=True), whole)
    collector.take(batch("passed", 0, last=True), whole)
    assert collector.missing({"passed", "silent"}) == ["begun", "gap", "silent"]


def test_handing_over_empties() -> None:
    observations = Observations(
        acknowledged=[observed("b", "held", 5)], unknown=[UnknownOutcome(0, SHOW, "holds", "")], requests=1
    )
    observations.count("held seats")
    again = Observations()
    again.take(observations.drain())
    assert (len(again.acknowledged), len(again.unknown), again.requests) == (1, 1, 1)
    assert observations == Observations()


def test_the_summary_shows_the_most_frequent_first_and_a_few_of_many_wrongs() -> None:
    observations = Observations(outcomes={"booked seats": 3, "seat_taken": 1000}, requests=100, cpu_s=0.05)
    lines = outcome_summary(observations)
    assert lines[1].split() == ["1,000", "seat_taken"]
    assert lines[-1].endswith("500 µs each.")
    error = check_summary(observations, [str(number) for number in range(30)])
    assert [line for line in error if line.startswith("ERROR")][-1] == "ERROR: 19."
    assert "10 more" in error[-2]
    assert check_summary(observations, [])[0].startswith("CHECK PASSED")
