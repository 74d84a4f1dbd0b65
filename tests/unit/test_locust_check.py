"""The check of the load test: acknowledged bookings against bookings of the service."""

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
    """State of the service; `seat_states` are those of A1, A2, …"""
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
def test_bookings_in_their_acknowledged_state_pass(observations: list[Observation]) -> None:
    assert find_errors(observations, [], found(observations[-1])) == []
    assert find_errors(reversed(observations), [], found(observations[-1])) == []


def test_a_hold_may_have_expired() -> None:
    assert find_errors([observed("b", "held", 5)], [], found(observed("b", "expired", 8))) == []


def test_a_lost_booking_is_an_error() -> None:
    (error,) = find_errors([observed("b", "confirmed", 5)], [], found())
    assert error == "booking b of customer 100 in show 7, acknowledged as confirmed at 3-5, is missing"


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
def test_a_change_without_a_request_is_an_error(last: str, now: str) -> None:
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
def test_a_request_without_a_response_may_have_been_executed(
    last: str, action: str, now: str, passed: bool
) -> None:
    unknown_outcome = UnknownOutcome(0, SHOW, action, "b")
    assert (
        find_errors([observed("b", last, 5)], [unknown_outcome], found(observed("b", now, 8))) == []
    ) is passed
    assert find_errors(
        [observed("b", last, 5)], [UnknownOutcome(0, SHOW, action, "other")], found(observed("b", now, 8))
    )


def test_a_booking_in_an_earlier_state_is_an_error() -> None:
    observations = [observed("b", "held", 5), observed("b", "confirmed", 9)]
    (error,) = find_errors(observations, [], found(observed("b", "held", 5)))
    assert "is in its state of 3-5, but 3-9 was acknowledged" in error


def test_two_states_at_one_position_are_an_error() -> None:
    observations = [observed("b", "confirmed", 5), observed("b", "held", 5)]
    assert any(
        "was confirmed and held at 3-5" in error
        for error in find_errors(observations, [], found(observations[0]))
    )


def test_changed_seats_of_a_booking_are_an_error() -> None:
    (error,) = find_errors(
        [observed("b", "confirmed", 5)], [], found(observed("b", "confirmed", 5, seats=("A2",)))
    )
    assert "had different seats" in error


def test_a_seat_of_two_bookings_is_sold_twice() -> None:
    bookings = [observed("b", "confirmed", 5), observed("c", "confirmed", 6, customer=1)]
    (error,) = find_errors(bookings, [], found(*bookings))
    assert error.startswith("seat A1 of show 7 was sold twice: to customer 100 (booking b, confirmed) and")


def test_a_seat_of_two_cancelled_bookings_was_sold_twice() -> None:
    observations = [
        observed("b", "confirmed", 5),
        observed("c", "confirmed", 6, customer=1),
        observed("b", "cancelled", 7),
        observed("c", "cancelled", 8, customer=1),
    ]
    (error,) = find_errors(observations, [], found(*observations[2:]))
    assert "was sold twice" in error


def test_a_cancelled_or_expired_seat_may_be_sold_again() -> None:
    observations = [
        observed("b", "confirmed", 5),
        observed("b", "cancelled", 7),
        observed("c", "held", 8, customer=1),
        observed("d", "confirmed", 10, customer=2),
    ]
    # One decision expires the hold and sells its seat.
    now = [observations[1], observed("c", "expired", 10, customer=1), observations[3]]
    assert find_errors(observations, [], found(*now)) == []


def test_one_shared_seat_of_several_is_an_error() -> None:
    bookings = [observed("b", "held", 5, seats=("A1", "A2")), observed("c", "held", 6, seats=("A2", "A3"))]
    (error,) = find_errors(bookings, [], found(*bookings))
    assert error.startswith("seat A2 ")


def test_a_booking_without_an_acknowledgement_owns_its_seats() -> None:
    assert find_errors(
        [observed("b", "confirmed", 5)],
        [],
        found(observed("b", "confirmed", 5), observed("c", "confirmed", 6)),
    )


@pytest.mark.parametrize(("status", "state"), [("confirmed", "s"), ("held", "h")])
def test_the_seat_map_must_agree_with_the_bookings(status: str, state: str) -> None:
    booking = observed("b", status, 5)
    assert find_errors([booking], [], found(booking, seat_states=state, alone=True)) == []
    for other in {"a", "b", "h", "s"} - {state}:
        (error,) = find_errors([booking], [], found(booking, seat_states=other))
        assert f"but '{other}' on the seat map" in error


def test_without_other_buyers_every_sold_seat_needs_a_booking() -> None:
    booking = observed("b", "confirmed", 5)
    assert find_errors([booking], [], found(booking, seat_states="ssb")) == []
    (error,) = find_errors([booking], [], found(booking, seat_states="ssb", alone=True))
    assert error == "seat A2 of show 7 is 's' on the seat map, but without a booking"


def test_without_other_buyers_every_booking_needs_an_acknowledgement() -> None:
    now = found(observed("b", "confirmed", 5), seat_states="s", alone=True)
    (error,) = find_errors([], [], now)
    assert "but was not acknowledged" in error
    assert find_errors([], [UnknownOutcome(0, SHOW, "bookings", "")], now) == []
    assert find_errors([], [UnknownOutcome(1, SHOW, "bookings", "")], now)


def test_one_unknown_outcome_explains_one_booking() -> None:
    unknown_outcome = UnknownOutcome(0, SHOW, "bookings", "")
    now = found(
        observed("b", "confirmed", 5),
        observed("c", "confirmed", 6, seats=("A2",)),
        seat_states="ss",
        alone=True,
    )
    (error,) = find_errors([], [unknown_outcome], now)
    assert "was not acknowledged" in error


def batch(worker: str, number: int, *bookings: Observation, last: bool = False) -> Batch:
    pieces = Observations(
        acknowledged=list(bookings), outcomes={"booked seats": len(bookings)}, requests=2, cpu_s=0.5
    )
    return Batch(worker, number, last, pieces.drain())


def test_batches_of_workers_are_merged() -> None:
    whole, collector = Observations(), Collector()
    collector.take(batch("x", 0, observed("b", "held", 5)), whole)
    collector.take(batch("y", 0, last=True), whole)
    collector.take(batch("x", 1, observed("c", "held", 6), last=True), whole)
    assert [one.booking_id for one in whole.acknowledged] == ["b", "c"]
    assert (whole.outcomes, whole.requests, whole.cpu_s) == ({"booked seats": 2}, 6, 1.5)
    assert collector.missing({"x", "y"}) == []


def test_a_worker_without_all_batches_is_missing() -> None:
    whole, collector = Observations(), Collector()
    collector.take(batch("begun", 0), whole)
    collector.take(batch("gap", 0), whole)
    collector.take(batch("gap", 2, last=True), whole)
    collector.take(batch("complete", 0, last=True), whole)
    assert collector.missing({"complete", "silent"}) == ["begun", "gap", "silent"]


def test_draining_clears_the_observations() -> None:
    observations = Observations(
        acknowledged=[observed("b", "held", 5)], unknown=[UnknownOutcome(0, SHOW, "holds", "")], requests=1
    )
    observations.count("held seats")
    again = Observations()
    again.take(observations.drain())
    assert (len(again.acknowledged), len(again.unknown), again.requests) == (1, 1, 1)
    assert observations == Observations()


def test_the_summary_has_the_most_frequent_outcomes_first_and_some_of_many_errors() -> None:
    observations = Observations(outcomes={"booked seats": 3, "seat_taken": 1000}, requests=100, cpu_s=0.05)
    lines = outcome_summary(observations)
    assert lines[1].split() == ["1,000", "seat_taken"]
    assert lines[-1].endswith("500 µs each.")
    error = check_summary(observations, [str(number) for number in range(30)])
    assert [line for line in error if line.startswith("ERROR")][-1] == "ERROR: 19."
    assert "10 more" in error[-2]
    assert check_summary(observations, [])[0].startswith("CHECK PASSED")
