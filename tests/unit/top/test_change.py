"""Rates and quantiles between two scrapes."""

from __future__ import annotations

import pytest

from ops.top.change import Change
from ops.top.frame import USED, frame_of
from ops.top.samples import Parser, Samples


def scraped(text: str) -> Samples:
    return Parser().read(text)


def change(old: str, new: str, seconds: float = 2.0, old_s: float = 1000.0) -> Change:
    return Change(scraped(old), scraped(new), old_s, seconds)


STARTED = 'process_start_time_seconds{process="g1"} 10.0\n'


def test_rates_are_summed_over_processes_by_a_label() -> None:
    other = 'process_start_time_seconds{process="g2"} 10.0\n'
    now = change(
        STARTED + other + 'c_total{process="g1",kind="a"} 10\nc_total{process="g2",kind="a"} 1\n',
        STARTED + other + 'c_total{process="g1",kind="a"} 14\nc_total{process="g2",kind="a"} 3\n'
        'c_total{process="g2",kind="b"} 5\n',
    )
    assert now.rates("c_total", "kind") == {"a": 3.0, "b": 2.5}
    assert now.rate("c_total") == 5.5


def test_a_counter_that_started_again_counts_from_zero() -> None:
    now = change(STARTED + 'c_total{process="g1"} 100\n', STARTED + 'c_total{process="g1"} 6\n')
    assert now.rate("c_total") == 3.0


@pytest.mark.parametrize(("started_s", "rate"), [(999.0, 0.0), (1001.0, 50.0)])
def test_a_process_that_did_not_answer_before_counts_only_if_it_is_new(started_s: float, rate: float) -> None:
    now = change(
        STARTED, f'process_start_time_seconds{{process="g2"}} {started_s}\nc_total{{process="g2"}} 100\n'
    )
    assert now.rate("c_total") == rate


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    bounds = {"0.1": 10, "0.2": 20, "+Inf": 20}
    new = "".join(f'h_seconds_bucket{{process="g1",le="{le}"}} {count}\n' for le, count in bounds.items())
    old = "".join(f'h_seconds_bucket{{process="g1",le="{le}"}} 0\n' for le in bounds)
    now = change(STARTED + old, STARTED + new)
    assert now.quantiles("h_seconds", 0.25, 0.5, 0.75) == pytest.approx([0.05, 0.1, 0.15])
    assert change(STARTED + new, STARTED + new).quantiles("h_seconds", 0.5) == [None]
    beyond = STARTED + new.replace('le="+Inf"} 20', 'le="+Inf"} 100')
    assert change(STARTED + old, beyond).quantiles("h_seconds", 0.99) == [0.2], (
        "the highest bound that is known"
    )


def test_a_partition_that_moves_keeps_its_rate() -> None:
    now = change(
        'aisle_partition_next_offset{process="w1",partition="3"} 100\n',
        'aisle_partition_next_offset{process="w2",partition="3"} 120\n'
        'aisle_partition_epoch{process="w1",partition="3"} 1\n'
        'aisle_partition_epoch{process="w2",partition="3"} 2\n'
        'aisle_partition_lag{process="w2",partition="3"} 7\n',
    )
    (partition,) = frame_of(now, 1002.0).partitions
    assert (partition.number, partition.owner, partition.epoch, partition.lag, partition.decided_per_s) == (
        3, "w2", 2, 7, 10.0,
    )  # fmt: skip


def test_a_parser_keeps_what_is_wanted_and_labels_with_any_text() -> None:
    text = '# HELP a_total A.\naisle_requests_total{route="b\\"},{ k",status="201"} 3\nother 1e3\n'
    assert Parser(USED).read(text).keys() == {"aisle_requests_total"}
    (sample,) = Parser().read(text)["aisle_requests_total"].values()
    assert (sample.labels, sample.value) == ({"route": 'b"},{ k', "status": "201"}, 3.0)
    assert [one.value for one in Parser().read(text)["other"].values()] == [1000.0]
    with pytest.raises(ValueError):  # noqa: PT011 - of the library, by any name
        Parser().read("<html>not metrics</html>")
