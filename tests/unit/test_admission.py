"""Admission control: the queue limit under overload, and its share for one show."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from types import SimpleNamespace

import msgspec
import pytest

from gateway.http.problems import Problem
from gateway.limits import admission as admission_control
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
OVERLOADED = "Rejected under load, not executed: try again in a moment."
SHOW_OVERLOADED = "Too many requests for this show; rejected, not executed. Try again soon."
CUSTOMER_LIMITED = "You have 3 undecided requests: wait for their decisions."


def after_samples(
    load_shedder: LoadShedder, decided: int, in_flight: int, times: int = WINDOW_SAMPLES, looked_up: int = 0
) -> float:
    for _ in range(times):
        load_shedder.sample(decided, in_flight, SAMPLE_INTERVAL_S, looked_up)
    return load_shedder.queue_limit


def measured_limit(decided: int) -> float:
    """The queue limit for a throughput of `decided` commands per sample."""
    return decided * SAMPLES_PER_S * TARGET_QUEUE_DELAY_S


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
        load_shedder.sample(900, 9_000, 2 * SAMPLE_INTERVAL_S, 0)
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


def test_load_from_the_minimum_on_is_measured() -> None:
    load_shedder = LoadShedder()
    after_samples(load_shedder, 300, MIN_COMMANDS_UNDER_LOAD)
    assert after_samples(load_shedder, 300, 9_000, OVERLOAD_SAMPLES) == measured_limit(300)


def test_a_window_with_one_sample_of_little_load_is_not_measured() -> None:
    load_shedder = LoadShedder()
    after_samples(load_shedder, 300, 9_000, WINDOW_SAMPLES - 1)
    assert after_samples(load_shedder, 300, 1, 1) == INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S
    assert after_samples(load_shedder, 300, 9_000, WINDOW_SAMPLES - 1) != measured_limit(300)
    assert after_samples(load_shedder, 300, 9_000, 1) == measured_limit(300)


def test_a_queue_as_long_as_the_limit_is_overload_and_a_shorter_one_is_not() -> None:
    limit = round(INITIAL_DECISIONS_PER_S * TARGET_QUEUE_DELAY_S)
    assert after_samples(LoadShedder(), 10, limit, OVERLOAD_SAMPLES) == limit
    assert after_samples(LoadShedder(), 10, limit - 1, OVERLOAD_SAMPLES) == math.inf


def test_only_consecutive_samples_are_overload() -> None:
    load_shedder = LoadShedder()
    for _ in range(3):
        assert after_samples(load_shedder, 800, 9_000, OVERLOAD_SAMPLES - 1) == math.inf
        assert after_samples(load_shedder, 800, 1, 1) == math.inf
    assert after_samples(load_shedder, 800, 9_000, OVERLOAD_SAMPLES) < math.inf


def test_a_queue_of_exactly_half_the_limit_is_not_relieved() -> None:
    load_shedder = LoadShedder()
    limit = after_samples(load_shedder, 900, 3_000)
    assert after_samples(load_shedder, 900, round(limit / 2), 2 * RECOVERY_SAMPLES) == limit
    assert after_samples(load_shedder, 900, round(limit / 2) - 1, RECOVERY_SAMPLES) == math.inf


def test_only_consecutive_samples_relieve() -> None:
    load_shedder = LoadShedder()
    limit = after_samples(load_shedder, 900, 3_000)
    for _ in range(3):
        assert after_samples(load_shedder, 900, 500, RECOVERY_SAMPLES - 1) == limit
        assert after_samples(load_shedder, 900, 1_000, 1) == limit


def test_a_writer_without_decisions_is_being_replaced_only_if_commands_wait() -> None:
    load_shedder = LoadShedder()
    assert after_samples(load_shedder, 900, 3_000) < math.inf
    assert after_samples(load_shedder, 0, 0, 3) < math.inf, "nothing to decide"
    assert after_samples(load_shedder, 0, 1, 1) == math.inf


def test_decisions_in_either_of_two_samples_show_that_a_writer_is_there() -> None:
    load_shedder = LoadShedder()
    assert after_samples(load_shedder, 900, 3_000) < math.inf
    for _ in range(3):
        assert after_samples(load_shedder, 0, 3_000, 1) < math.inf
        assert after_samples(load_shedder, 900, 3_000, 1) < math.inf


def test_the_first_sample_without_decisions_is_no_overload() -> None:
    assert after_samples(LoadShedder(), 0, 9_000, OVERLOAD_SAMPLES) == math.inf


def test_half_of_the_decisions_without_a_reply_are_still_measured() -> None:
    assert after_samples(LoadShedder(), 500, 1_500, 2 * WINDOW_SAMPLES, looked_up=250) == measured_limit(500)
    assert after_samples(LoadShedder(), 500, 1_500, 2 * WINDOW_SAMPLES, looked_up=251) == math.inf


def test_the_queue_is_full_exactly_at_its_limit() -> None:
    admission = AdmissionControl(100_000, 100_000, 100_000)
    assert after_samples(admission.load_shedder, 200, 9_000) == measured_limit(200) == 400
    for n in range(400):
        assert admission.overload_problem(0) is None, n
        admission.admit(1 + n, n)
    problem = admission.overload_problem(0)
    assert problem is not None
    assert b"this show" not in problem.body
    admission.release(1, 0)
    assert admission.overload_problem(0) is None


def test_a_short_queue_is_never_shed() -> None:
    admission = AdmissionControl(100_000, 100_000, 100_000)
    assert after_samples(admission.load_shedder, 1, 9_000) == MIN_QUEUE_LIMIT
    for n in range(MIN_QUEUE_LIMIT):
        assert admission.overload_problem(7) is None, "not even half of the limit counts for a show"
        admission.admit(7, n)
    assert admission.overload_problem(8) is not None


@pytest.mark.parametrize(
    ("bounds", "same_show", "same_customer", "code", "detail"),
    [
        ((3, 9, 9), False, False, "overloaded", OVERLOADED),
        ((9, 3, 9), True, False, "overloaded", SHOW_OVERLOADED),
        ((9, 9, 3), False, True, "rate_limited", CUSTOMER_LIMITED),
    ],
)
def test_each_hard_bound_is_kept_exactly(
    bounds: tuple[int, int, int], same_show: bool, same_customer: bool, code: str, detail: str
) -> None:
    admission = AdmissionControl(*bounds)
    next_show, next_customer = iter(range(100, 200)), iter(range(200, 300))

    def ids() -> tuple[int, int]:
        return 7 if same_show else next(next_show), 5 if same_customer else next(next_customer)

    admitted = [ids() for _ in range(3)]
    for one in admitted:
        admission.admit(*one)
    for _ in range(3):
        with pytest.raises(Problem) as refused:
            admission.admit(*ids())
        problem = refused.value
        assert (problem.code, problem.detail, problem.retry_after_s) == (code, detail, 1)
        assert admission.total == 3
        admission.release(*admitted.pop())
        assert admission.total == 2
        admitted.append(ids())
        admission.admit(*admitted[-1])
    for one in admitted:
        admission.release(*one)
    assert admission.total == 0


def test_a_bound_of_one_admits_one() -> None:
    admission = AdmissionControl(1, 1, 1)
    admission.admit(7, 5)
    with pytest.raises(Problem):
        admission.admit(8, 6)


def test_a_show_and_a_customer_without_commands_in_flight_take_no_memory() -> None:
    admission = AdmissionControl(9, 9, 9)
    for _ in range(2):
        admission.admit(7, 5)
    for left in (1, 0):
        admission.release(7, 5)
        assert (len(admission._shows), len(admission._customers)) == (left, left)


class Samples(LoadShedder):
    """A load shedder that keeps its samples, and cancels the watch after some."""

    def __init__(self, watched: int) -> None:
        super().__init__()
        self.watched = watched
        self.samples: list[tuple[int, int, float, int]] = []

    def sample(self, decided: int, in_flight: int, seconds: float, looked_up: int) -> None:
        self.samples.append((decided, in_flight, seconds, looked_up))
        if len(self.samples) == self.watched:
            raise asyncio.CancelledError


async def test_the_load_is_sampled_since_the_last_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    admission = AdmissionControl(99, 99, 99)
    shedder = admission.load_shedder = Samples(watched=3)
    clock = iter([100.0, 100.25, 101.0, 101.5])
    monkeypatch.setattr(admission_control, "SAMPLE_INTERVAL_S", 0)
    monkeypatch.setattr(admission_control, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    def lookups() -> Iterator[int]:
        """The look-ups in all, as commands come and are decided between the samples."""
        yield 10
        for n in range(5):
            admission.admit(7, n)
        admission.release(7, 0)
        admission.release(7, 1)
        admission.release(7, 2, decided=False)
        yield 11
        yield 15
        admission.release(7, 3)
        yield 15

    counted = lookups()
    with pytest.raises(asyncio.CancelledError):
        await admission.watch_load(lambda: next(counted))
    assert shedder.samples == [(0, 2, 0.25, 1), (2, 2, 0.75, 4), (0, 1, 0.5, 0)]
