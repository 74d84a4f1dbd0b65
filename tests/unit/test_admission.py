"""Admission control: the queue limit under overload, and its share for one show."""

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

SAMPLES_PER_S = round(1 / SAMPLE_INTERVAL_S)


def after_samples(
    load_shedder: LoadShedder, decided: int, in_flight: int, times: int = WINDOW_SAMPLES, looked_up: int = 0
) -> float:
    for _ in range(times):
        load_shedder.sample(decided, in_flight, SAMPLE_INTERVAL_S, looked_up)
    return load_shedder.queue_limit


def test_a_burst_is_admitted() -> None:
    load_shedder = LoadShedder()
    assert load_shedder.queue_limit == math.inf
    assert after_samples(load_shedder, 800, 9_000, OVERLOAD_SAMPLES - 1) == math.inf
    assert after_samples(load_shedder, 800, 10, 100) == math.inf


def test_under_sustained_overload_the_limit_follows_throughput() -> None:
    load_shedder = LoadShedder()
    assert after_samples(load_shedder, 900, 3_000) == 900 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S
    assert after_samples(load_shedder, 200, 1_000) == 200 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S
    assert after_samples(load_shedder, 1, 1_000) == MIN_QUEUE_LIMIT, "the queue limit has a minimum"


def test_without_measurements_the_initial_throughput_counts() -> None:
    assert (
        after_samples(LoadShedder(), 10, 9_000, OVERLOAD_SAMPLES)
        == INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S
    )


def test_throughput_without_load_is_not_measured() -> None:
    load_shedder = LoadShedder()
    after_samples(load_shedder, 3, MIN_COMMANDS_UNDER_LOAD - 1)
    assert (
        after_samples(load_shedder, 10, 9_000, OVERLOAD_SAMPLES)
        == INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S
    )


def test_shedding_ends_once_the_queue_stays_below_half_of_the_limit() -> None:
    load_shedder = LoadShedder()
    limit = after_samples(load_shedder, 900, 3_000)
    assert after_samples(load_shedder, 900, round(limit) - 1, 2 * RECOVERY_SAMPLES) == limit
    assert after_samples(load_shedder, 900, round(limit / 3), RECOVERY_SAMPLES - 1) == limit
    assert after_samples(load_shedder, 900, round(limit / 3), 1) == math.inf


def test_nothing_is_shed_while_the_writer_is_being_replaced() -> None:
    load_shedder = LoadShedder()
    limit = after_samples(load_shedder, 100, 400)
    assert after_samples(load_shedder, 0, 400, 1) <= limit
    assert after_samples(load_shedder, 0, 9_000, 1) == math.inf
    assert after_samples(load_shedder, 300, 9_000, 1) < 9_000, (
        "the backlog is decided before more is admitted"
    )


def test_nothing_is_shed_for_decisions_delayed_by_the_loss_of_redis() -> None:
    load_shedder = LoadShedder()
    assert after_samples(load_shedder, 500, 1_500, 100, looked_up=499) == math.inf
    assert (
        after_samples(load_shedder, 500, 1_500, looked_up=3) == 500 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S
    ), "a few lost replies are normal"


def test_a_late_sample_counts_for_its_duration() -> None:
    load_shedder = LoadShedder()
    for _ in range(WINDOW_SAMPLES):
        load_shedder.sample(900, 9_000, 2 * SAMPLE_INTERVAL_S)
    assert math.isclose(load_shedder.queue_limit, 900 * SAMPLES_PER_S / 2 * TARGET_QUEUE_DELAY_S)


def test_one_show_gets_at_most_half_of_the_queue() -> None:
    admission = AdmissionControl(100_000, 100_000, 100_000)
    after_samples(admission.load_shedder, 100, 9_000)
    limit = 100 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S
    assert limit < MIN_QUEUE_LIMIT * 2
    for n in range(MIN_QUEUE_LIMIT):
        assert admission.overload_problem(7) is None
        admission.admit(7, n)
    assert admission.overload_problem(7) is not None
    after_samples(admission.load_shedder, 1_000, 9_000)
    for n in range(round(1_000 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S / 2) - MIN_QUEUE_LIMIT):
        assert admission.overload_problem(7) is None
        admission.admit(7, n)
    problem = admission.overload_problem(7)
    assert problem is not None
    assert (problem.status, (b"retry-after", b"1") in problem.headers) == (503, True)
    assert b"this show" in problem.body
    for n in range(round(1_000 * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S / 2)):
        assert admission.overload_problem(8) is None or n > MIN_QUEUE_LIMIT
        admission.admit(100 + n, n)
    problem = admission.overload_problem(8)
    assert problem is not None
    document = msgspec.json.decode(problem.body)
    assert (document["code"], document["retry_after_s"]) == ("overloaded", 1)
    admission.release(7, 0)
    assert admission.overload_problem(8) is None
