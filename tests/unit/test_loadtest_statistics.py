"""Percentiles, spreads and summaries of several runs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench.environment import CaseRun, Step
from loadtest.bench.generator.jobs import Tally
from loadtest.bench.report.columns import Column, rates
from loadtest.bench.report.results import summarise
from loadtest.bench.report.statistics import Latencies, Spread, latencies, percentile, spread

BOOKED = Column(case="bookings-1", title="one", confirms=(201,))

finite = st.floats(min_value=0, max_value=1e6)


def test_percentiles_are_measured_values() -> None:
    thousand = [float(n) for n in range(1, 1001)]
    assert [percentile(thousand, p) for p in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]
    assert percentile([7.0], 0.1) == percentile([7.0], 99.9) == 7


@given(st.lists(finite, min_size=1), st.sampled_from([1, 25, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed(
    values: list[float], percent: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    wanted = percent * len(ordered) / 100 - 1e-9
    assert sum(value <= found for value in ordered) >= wanted
    assert sum(value < found for value in ordered) < wanted or found == ordered[0]


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percentile_above_100_or_not_above_0_is_an_error(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)


def test_latencies_are_milliseconds_and_none_without_responses() -> None:
    assert latencies([]) is None
    assert latencies([0.002, 0.001, 0.004]) == Latencies(2, 4, 4, 4, 4)


def test_a_spread_has_the_median_between_lowest_and_highest() -> None:
    assert spread([]) is None
    assert spread([3, 1, 2, 10]) == Spread(2.5, 1, 10)


def case_run(confirmed: int, refused: int = 0, broken: int = 0, cpu_us: float | None = None) -> CaseRun:
    return CaseRun(
        column=BOOKED,
        cpu_us=None if cpu_us is None else {"gateway": cpu_us, "worker": 0.0},
        tally=Tally(
            seconds=2.0,
            statuses={201: confirmed} | ({409: refused} if refused else {}),
            latencies=Latencies(1, 2, 3, 4, 5) if confirmed else None,
            each_second=(confirmed - confirmed // 2, confirmed // 2),
            cpu_s=0.1,
            all_statuses={201: confirmed, 409: refused},
            examples={409: "seat_taken"} if refused else {},
            broken=broken,
            unanswered=0,
            ran_out=False,
        ),
    )


def test_a_summary_has_medians_and_counts_other_responses() -> None:
    runs = [case_run(200, cpu_us=10), case_run(100, refused=7, cpu_us=30), case_run(600, broken=2, cpu_us=20)]
    case = summarise(BOOKED, runs)
    assert case.per_second == Spread(100, 50, 300)
    assert case.other == 9
    assert case.rates["confirmed/s"] == case.per_second
    assert case.rates["refused/s"] == Spread(0, 0, 3.5)
    assert case.examples == {409: "seat_taken"}
    assert case.statuses == {201: 900, 409: 7}
    assert case.cpu_us == {"gateway": Spread(20, 10, 30)}
    assert case.latency_ms["p99"] == Spread(3, 3, 3)


def test_runs_without_confirmations_have_a_summary() -> None:
    case = summarise(BOOKED, [case_run(0, refused=3)])
    assert case.per_second == Spread(0, 0, 0)
    assert case.latency_ms == {}
    assert case.other == 3


def test_rates_by_the_meaning_of_statuses() -> None:
    statuses = {201: 10, 202: 4, 409: 6, 422: 2, 503: 8, 429: 1, 500: 3}
    assert rates(BOOKED, statuses, 2.0) == {
        "accepted/s": 11,
        "decided/s": 9,
        "confirmed/s": 5,
        "refused/s": 4,
        "turned away/s": 4.5,
    }


def test_a_hold_is_confirmed_by_its_second_response_alone() -> None:
    held = Column(case="holds-1", title="", confirms=(200,))
    found = rates(held, {201: 6, 200: 4}, 1.0)
    assert (found["decided/s"], found["confirmed/s"]) == (10, 4)


def test_without_bookings_responses_are_counted() -> None:
    assert rates(Column(case="seats-304", title=""), {304: 8, 200: 2}, 2.0) == {"answers/s": 5}


def test_rejections_do_not_count_as_other_responses() -> None:
    run = case_run(10, refused=2)
    rejected = msgspec.structs.replace(run.tally, statuses={201: 10, 409: 2, 503: 50})
    case = summarise(BOOKED, [msgspec.structs.replace(run, tally=rejected)])
    assert case.rates["turned away/s"].median == 25
    assert case.other == 2


def test_missing_figures_of_some_runs_are_left_out() -> None:
    runs = [
        msgspec.structs.replace(case_run(1), figures=figures)
        for figures in ({"normal after, s": 0.0}, {}, {"normal after, s": 1.0})
    ]
    assert summarise(BOOKED, runs).figures == {"normal after, s": Spread(0.5, 0, 1)}


def test_a_step_between_marks_has_its_own_rate_and_cost() -> None:
    steps = (
        Step(100, 1.0, {"gateway": 10.0, "worker": 5.0, "notifier": 90.0}),
        Step(200, 3.0, {"gateway": 30.0, "worker": 10.0, "notifier": 0.0}),
    )
    case = summarise(BOOKED, [msgspec.structs.replace(case_run(200), steps=steps)])
    assert case.steps == [
        [Spread(100, 100, 100), Spread(15, 15, 15)],
        [Spread(50, 50, 50), Spread(40, 40, 40)],
    ]
