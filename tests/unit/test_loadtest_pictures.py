"""Results as pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from loadtest.bench.environment import CaseRun, Step
from loadtest.bench.generator.jobs import Tally
from loadtest.bench.report.chart import Chart, Series
from loadtest.bench.report.columns import Column
from loadtest.bench.report.pictures import PICTURES, draw
from loadtest.bench.report.results import Results, summarise
from loadtest.bench.report.statistics import Latencies, Spread

SVG = "{http://www.w3.org/2000/svg}"


def chart(*values: Spread | None, lines: bool = False, logarithmic: bool = False) -> Chart:
    return Chart(
        title="A & B",
        about="a second",
        categories=[str(number) for number in range(len(values))],
        series=[Series("one", values)],
        lines=lines,
        logarithmic=logarithmic,
    )


def exactly(value: float) -> Spread:
    return Spread(value, value, value)


def axes_of(drawn: Chart) -> Axes:
    (axes,) = drawn.figure().axes
    return axes


def bar_heights(drawn: Chart) -> list[float]:
    return [bar.get_height() for bar in axes_of(drawn).patches if isinstance(bar, Rectangle)]


def test_bars_start_at_zero_and_are_as_high_as_their_values() -> None:
    drawn = chart(exactly(100), exactly(400))
    assert bar_heights(drawn) == [100, 400]
    assert axes_of(drawn).get_ylim()[0] == 0


def test_a_logarithmic_chart_has_a_logarithmic_axis_with_every_value_on_it() -> None:
    axes = axes_of(chart(exactly(1), exactly(10), exactly(100), lines=True, logarithmic=True))
    assert axes.get_yscale() == "log"
    assert np.asarray(axes.lines[-1].get_ydata()).tolist() == [1, 10, 100]
    low, high = axes.get_ylim()
    assert low <= 1
    assert high >= 100


def test_a_range_has_a_whisker_and_a_single_run_has_none() -> None:
    assert len(axes_of(chart(exactly(5), Spread(5, 4, 6))).containers) == 3  # two bars, one error bar
    assert len(axes_of(chart(exactly(5), exactly(6))).containers) == 2


def test_ranges_of_many_categories_are_a_band() -> None:
    axes = axes_of(chart(*(Spread(5, 4, 6) for _ in range(13)), lines=True))
    assert len(axes.collections) == 1
    assert not axes.containers


@pytest.mark.parametrize("high", [0.004, 1, 37, 99.9, 5_000, 123_456])
def test_every_value_is_within_the_axes(high: float) -> None:
    _, top = axes_of(chart(exactly(0), Spread(high / 2, high / 4, high))).get_ylim()
    assert high <= top <= 1.5 * high


def test_a_category_without_a_value_stays_empty_and_a_chart_needs_one() -> None:
    assert bar_heights(chart(None, exactly(3))) == [3]
    with pytest.raises(ValueError, match="nothing to show"):
        chart(None).svg()


def test_equal_values_give_equal_files_in_light_and_dark() -> None:
    drawn = chart(exactly(3), Spread(5, 4, 6)).svg()
    assert drawn == chart(exactly(3), Spread(5, 4, 6)).svg()
    assert ET.fromstring(drawn).tag == f"{SVG}svg"
    for light in re.findall(r"fill: (#[0-9a-f]{6})(?=[;\"])", drawn):
        assert f'[style*="fill: {light}"]' in drawn, "a colour without its counterpart on dark pages"


def run(column: Column, answers: int, **more: object) -> CaseRun:
    tally = Tally(
        seconds=2.0,
        statuses={201: answers},
        latencies=Latencies(1, 2, 3, 4, 5),
        each_second=(answers // 2, answers // 2),
        cpu_s=0.1,
        all_statuses={201: answers},
        examples={},
        broken=0,
        unanswered=0,
        ran_out=False,
    )
    return msgspec.structs.replace(CaseRun(column=column, tally=tally, cpu_us=None), **more)


def results(log: str, *runs: CaseRun) -> Results:
    return Results(
        at="2026-11-21T09:30:00Z",
        log=log,
        quick=True,
        warm_up_s=1,
        measured_s=2,
        gateways=1,
        workers=1,
        cases=[summarise(one.column, [one]) for one in runs],
        answered=0,
        kafka_is_seen=False,
        runs=list(runs),
    )


def column(case: str) -> Column:
    return Column(case=case, title=case, confirms=(201,))


def test_each_picture_shows_both_logs(tmp_path: Path) -> None:
    steps = tuple(Step(n, n / 10, {"gateway": 50.0 + n}) for n in range(1, 11))
    runs = [
        *(run(column(f"bookings-{n}"), 100 * n) for n in (1, 64, 256)),
        run(column("storm-256"), 4000),
        run(column("storm-other"), 500, figures={"storm's answers/s": 1500.0}),
        run(column("open-loop"), 3000, figures={"capacity/s": 2345.0}),
        run(column("one-show-256"), 2000, steps=steps),
    ]
    made = draw([results("postgres", *runs), results("kafka", *runs)], tmp_path / "new")
    assert {path.stem for path in made} == set(PICTURES)
    drawn = {path.stem: path.read_text() for path in made}
    for text in drawn.values():
        assert ET.fromstring(text).tag == f"{SVG}svg"
        assert "Kafka" in text
        assert "<script" not in text
        assert not re.search(r"(?:src|href)=\"(?!#)", text), "a file that needs others"
    assert ">12,800<" in drawn["throughput"]
    assert ">2,345<" in drawn["storm"]


def test_cases_that_were_not_measured_have_no_picture(tmp_path: Path) -> None:
    made = draw([results("postgres", run(column("bookings-64"), 100))], tmp_path)
    assert {path.stem for path in made} == {"throughput", "latency"}
    assert {path.stem for path in tmp_path.iterdir()} == {"throughput", "latency"}
