"""How many wishes for seats may wait: no more than are decided soon, while more comes than can be done."""

from __future__ import annotations

import math

import msgspec

from gateway.limits.admission import (
    BUSY,
    FIRST_GUESS,
    LEAST,
    MEASURE_EVERY_S,
    MEASURED_OVER,
    PATIENCE,
    QUEUE_S,
    RELIEF,
    InFlight,
    Queue,
)

A_SECOND = round(1 / MEASURE_EVERY_S)


def counted(
    queue: Queue, decided: int, under_way: int, times: int = MEASURED_OVER, looked_up: int = 0
) -> float:
    for _ in range(times):
        queue.measure(decided, under_way, MEASURE_EVERY_S, looked_up)
    return queue.bound


def test_a_crowd_that_comes_in_one_moment_is_taken() -> None:
    queue = Queue()
    assert queue.bound == math.inf
    assert counted(queue, 800, 9_000, PATIENCE - 1) == math.inf
    assert counted(queue, 800, 10, 100) == math.inf


def test_where_the_queue_stays_too_long_the_bound_follows_what_is_decided() -> None:
    queue = Queue()
    assert counted(queue, 900, 3_000) == 900 * A_SECOND * QUEUE_S
    assert counted(queue, 200, 1_000) == 200 * A_SECOND * QUEUE_S
    assert counted(queue, 1, 1_000) == LEAST, "a few may always wait"


def test_before_anything_was_counted_a_guess_holds() -> None:
    assert counted(Queue(), 10, 9_000, PATIENCE) == FIRST_GUESS * QUEUE_S


def test_what_is_decided_without_load_says_nothing() -> None:
    queue = Queue()
    counted(queue, 3, BUSY - 1)
    assert counted(queue, 10, 9_000, PATIENCE) == FIRST_GUESS * QUEUE_S


def test_all_are_taken_again_once_the_queue_has_been_short_for_a_while() -> None:
    queue = Queue()
    bound = counted(queue, 900, 3_000)
    assert counted(queue, 900, round(bound) - 1, 2 * RELIEF) == bound
    assert counted(queue, 900, round(bound / 3), RELIEF - 1) == bound
    assert counted(queue, 900, round(bound / 3), 1) == math.inf


def test_while_nothing_is_decided_the_writer_is_waited_for() -> None:
    queue = Queue()
    bound = counted(queue, 100, 400)
    assert counted(queue, 0, 400, 1) <= bound
    assert counted(queue, 0, 9_000, 1) == math.inf
    assert counted(queue, 300, 9_000, 1) < 9_000, "what gathered meanwhile is done before more is taken"


def test_where_answers_are_late_for_want_of_redis_nobody_is_turned_away_for_it() -> None:
    queue = Queue()
    assert counted(queue, 500, 1_500, 100, looked_up=499) == math.inf
    assert counted(queue, 500, 1_500, looked_up=3) == 500 * A_SECOND * QUEUE_S, "a few get lost at any time"


def test_a_measurement_that_comes_late_counts_for_its_time() -> None:
    queue = Queue()
    for _ in range(MEASURED_OVER):
        queue.measure(900, 9_000, 2 * MEASURE_EVERY_S)
    assert math.isclose(queue.bound, 900 * A_SECOND / 2 * QUEUE_S)


def test_a_show_may_have_half_of_the_room() -> None:
    in_flight = InFlight(100_000, 100_000, 100_000)
    counted(in_flight.queue, 100, 9_000)
    room = 100 * A_SECOND * QUEUE_S
    assert room < LEAST * 2
    for n in range(LEAST):
        assert in_flight.refused_for_now(7) is None
        in_flight.enter(7, n)
    assert in_flight.refused_for_now(7) is not None
    counted(in_flight.queue, 1_000, 9_000)
    for n in range(round(1_000 * A_SECOND * QUEUE_S / 2) - LEAST):
        assert in_flight.refused_for_now(7) is None
        in_flight.enter(7, n)
    refusal = in_flight.refused_for_now(7)
    assert refusal is not None
    assert (refusal.status, (b"retry-after", b"1") in refusal.headers) == (503, True)
    assert b"this show" in refusal.body
    for n in range(round(1_000 * A_SECOND * QUEUE_S / 2)):
        assert in_flight.refused_for_now(8) is None or n > LEAST
        in_flight.enter(100 + n, n)
    refusal = in_flight.refused_for_now(8)
    assert refusal is not None
    problem = msgspec.json.decode(refusal.body)
    assert (problem["code"], problem["retry_after_s"]) == ("overloaded", 1)
    in_flight.leave(7, 0)
    assert in_flight.refused_for_now(8) is None
