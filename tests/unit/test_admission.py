"""How many wishes for seats may wait: no more than are decided soon, while more comes than can be done."""

from __future__ import annotations

import math

import msgspec

from gateway.limits.admission import (
    INITIAL_DECISIONS_PER_S,
    MIN_COMMANDS_UNDER_LOAD,
    MIN_QUEUE_LIMIT,
    OVERLOAD_SAMPLES,
    RECOVERY_SAMPLES,
    SAMPLE_INTERVAL_S,
    TARGET_QUEUE_DELAY_S,
    WINDOW_SAMPLES,
    AdmissionControl,
    LoadShedder,
)

A_SECOND = round(1 / SAMPLE_INTERVAL_S)


def counted(
    load_shedder: LoadShedder, decided: int, under_way: int, times: int = WINDOW_SAMPLES, looked_up: int = 0
) -> float:
    for _ in range(times):
        load_shedder.sample(decided, under_way, SAMPLE_INTERVAL_S, looked_up)
    return load_shedder.queue_limit


def test_a_crowd_that_comes_in_one_moment_is_taken() -> None:
    load_shedder = LoadShedder()
    assert load_shedder.queue_limit == math.inf
    assert counted(load_shedder, 800, 9_000, OVERLOAD_SAMPLES - 1) == math.inf
    assert counted(load_shedder, 800, 10, 100) == math.inf


def test_where_the_queue_stays_too_long_the_bound_follows_what_is_decided() -> None:
    load_shedder = LoadShedder()
    assert counted(load_shedder, 900, 3_000) == 900 * A_SECOND * TARGET_QUEUE_DELAY_S
    assert counted(load_shedder, 200, 1_000) == 200 * A_SECOND * TARGET_QUEUE_DELAY_S
    assert counted(load_shedder, 1, 1_000) == MIN_QUEUE_LIMIT, "a few may always wait"


def test_before_anything_was_counted_a_guess_holds() -> None:
    assert (
        counted(LoadShedder(), 10, 9_000, OVERLOAD_SAMPLES) == INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S
    )


def test_what_is_decided_without_load_says_nothing() -> None:
    load_shedder = LoadShedder()
    counted(load_shedder, 3, MIN_COMMANDS_UNDER_LOAD - 1)
    assert (
        counted(load_shedder, 10, 9_000, OVERLOAD_SAMPLES) == INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S
    )


def test_all_are_taken_again_once_the_queue_has_been_short_for_a_while() -> None:
    load_shedder = LoadShedder()
    bound = counted(load_shedder, 900, 3_000)
    assert counted(load_shedder, 900, round(bound) - 1, 2 * RECOVERY_SAMPLES) == bound
    assert counted(load_shedder, 900, round(bound / 3), RECOVERY_SAMPLES - 1) == bound
    assert counted(load_shedder, 900, round(bound / 3), 1) == math.inf


def test_while_nothing_is_decided_the_writer_is_waited_for() -> None:
    load_shedder = LoadShedder()
    bound = counted(load_shedder, 100, 400)
    assert counted(load_shedder, 0, 400, 1) <= bound
    assert counted(load_shedder, 0, 9_000, 1) == math.inf
    assert counted(load_shedder, 300, 9_000, 1) < 9_000, (
        "what gathered meanwhile is done before more is taken"
    )


def test_where_answers_are_late_for_want_of_redis_nobody_is_turned_away_for_it() -> None:
    load_shedder = LoadShedder()
    assert counted(load_shedder, 500, 1_500, 100, looked_up=499) == math.inf
    assert counted(load_shedder, 500, 1_500, looked_up=3) == 500 * A_SECOND * TARGET_QUEUE_DELAY_S, (
        "a few get lost at any time"
    )


def test_a_measurement_that_comes_late_counts_for_its_time() -> None:
    load_shedder = LoadShedder()
    for _ in range(WINDOW_SAMPLES):
        load_shedder.sample(900, 9_000, 2 * SAMPLE_INTERVAL_S)
    assert math.isclose(load_shedder.queue_limit, 900 * A_SECOND / 2 * TARGET_QUEUE_DELAY_S)


def test_a_show_may_have_half_of_the_room() -> None:
    admission = AdmissionControl(100_000, 100_000, 100_000)
    counted(admission.load_shedder, 100, 9_000)
    room = 100 * A_SECOND * TARGET_QUEUE_DELAY_S
    assert room < MIN_QUEUE_LIMIT * 2
    for n in range(MIN_QUEUE_LIMIT):
        assert admission.overload_problem(7) is None
        admission.admit(7, n)
    assert admission.overload_problem(7) is not None
    counted(admission.load_shedder, 1_000, 9_000)
    for n in range(round(1_000 * A_SECOND * TARGET_QUEUE_DELAY_S / 2) - MIN_QUEUE_LIMIT):
        assert admission.overload_problem(7) is None
        admission.admit(7, n)
    refusal = admission.overload_problem(7)
    assert refusal is not None
    assert (refusal.status, (b"retry-after", b"1") in refusal.headers) == (503, True)
    assert b"this show" in refusal.body
    for n in range(round(1_000 * A_SECOND * TARGET_QUEUE_DELAY_S / 2)):
        assert admission.overload_problem(8) is None or n > MIN_QUEUE_LIMIT
        admission.admit(100 + n, n)
    refusal = admission.overload_problem(8)
    assert refusal is not None
    problem = msgspec.json.decode(refusal.body)
    assert (problem["code"], problem["retry_after_s"]) == ("overloaded", 1)
    admission.release(7, 0)
    assert admission.overload_problem(8) is None
