"""How many wishes for seats may wait: what is decided within half a second, whatever the machine can do."""

from __future__ import annotations

import msgspec

from gateway.limits import BUSY, FIRST_GUESS, LEAST, MEASURE_EVERY_S, MEASURED_OVER, QUEUE_S, InFlight, Queue

A_SECOND = round(1 / MEASURE_EVERY_S)


def counted(queue: Queue, decided: int, under_way: int, times: int = MEASURED_OVER) -> float:
    for _ in range(times):
        queue.measure(decided, under_way)
    return queue.bound


def test_before_anything_was_counted_a_guess_holds() -> None:
    assert Queue().bound == FIRST_GUESS * QUEUE_S


def test_under_load_the_bound_follows_what_is_decided() -> None:
    queue = Queue()
    assert counted(queue, 900, 3_000) == 900 * A_SECOND * QUEUE_S
    assert counted(queue, 200, 1_000) == 200 * A_SECOND * QUEUE_S


def test_what_is_decided_without_load_says_nothing() -> None:
    queue = Queue()
    assert counted(queue, 900, 3_000) == counted(queue, 3, BUSY - 1)
    queue.measure(0, 0)
    assert queue.bound == 900 * A_SECOND * QUEUE_S


def test_a_few_may_always_wait() -> None:
    assert counted(Queue(), 1, BUSY) == LEAST


def test_while_nothing_is_decided_the_writer_is_waited_for() -> None:
    queue = Queue()
    bound = counted(queue, 100, 400)
    queue.measure(0, 400)
    assert queue.bound <= bound
    queue.measure(0, 9_000)
    assert queue.bound == float("inf")
    queue.measure(300, 9_000)
    assert queue.bound < 9_000


def test_a_show_may_have_half_of_the_room() -> None:
    in_flight = InFlight(100_000, 100_000, 100_000)
    for n in range(round(FIRST_GUESS * QUEUE_S / 2)):
        assert in_flight.refused_for_now(7) is None
        in_flight.enter(7, n)
    refusal = in_flight.refused_for_now(7)
    assert refusal is not None
    assert (refusal.status, (b"retry-after", b"1") in refusal.headers) == (503, True)
    assert b"this show" in refusal.body
    for n in range(round(FIRST_GUESS * QUEUE_S / 2)):
        assert in_flight.refused_for_now(n) is None or n == 7
        in_flight.enter(100 + n, n)
    refusal = in_flight.refused_for_now(8)
    assert refusal is not None
    problem = msgspec.json.decode(refusal.body)
    assert (problem["code"], problem["retry_after_s"]) == ("overloaded", 1)
    in_flight.leave(7, 0)
    assert in_flight.refused_for_now(8) is None
