"""Results as pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from loadtest.bench.environment import CaseRun, Step
from loadtest.bench.generator.jobs import Tally
from loadtest.bench.report.chart import HEIGHT, WIDTH, Chart, Series
from loadtest.bench.report.columns import Column
from loadtest.bench.report.pictures import PICTURES, draw
from loadtest.bench.report.results import Results, summarise
from loadtest.bench.report.statistics import Latencies, Spread

SVG = "{http://www.w3.org/2000/svg}"


def chart(*values: Spread | None, lines: bool = False, logarithmic: bool = False) -> ET.Element:
    places = [str(number) for number in range(len(values))]
    drawn = Chart(
        title="A & B",
        about="a second",
        places=places,
        series=[Series("one", values)],
        lines=lines,
        logarithmic=logarithmic,
    )
    return ET.fromstring(drawn.svg())


def exactly(value: float) -> Spread:
    return Spread(value, value, value)


def heights(picture: ET.Element) -> list[float]:
    """Of the bars: what has a colour and is not the paper."""
    return [float(bar.attrib["height"]) for bar in picture.iter(f"{SVG}rect")][1:]


def test_bars_are_as_high_as_their_values() -> None:
    low, high = heights(chart(exactly(100), exactly(400)))
    assert high == pytest.approx(4 * low, rel=0.01)


def test_on_a_logarithmic_scale_equal_factors_are_equal_heights() -> None:
    points = chart(exactly(1), exactly(10), exactly(100), lines=True, logarithmic=True)
    ys = [float(point.attrib["cy"]) for point in points.iter(f"{SVG}circle")]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)
    assert ys[0] > ys[1]


def test_a_spread_has_a_whisker_and_a_single_run_has_none() -> None:
    def whiskers(picture: ET.Element) -> int:
        return sum("stroke-opacity" in path.attrib for path in picture.iter(f"{SVG}path"))

    assert whiskers(chart(exactly(5), Spread(5, 4, 6))) == 1


@pytest.mark.parametrize("high", [0.004, 1, 37, 99.9, 5_000, 123_456])
def test_everything_is_on_the_paper(high: float) -> None:
    picture = chart(exactly(0), Spread(high / 2, high / 4, high))
    for text in picture.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH
        assert 0 <= float(text.attrib["y"]) <= HEIGHT


def test_a_place_without_a_value_stays_empty_and_a_chart_without_any_is_none() -> None:
    assert len(heights(chart(None, exactly(3)))) == 1
    with pytest.raises(ValueError, match="nothing to show"):
        chart(None)


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


def test_each_picture_has_what_was_measured_of_both_logs(tmp_path: Path) -> None:
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
        assert not re.search(r"(href|src|url)\b", text)
    assert ">12,800<" in drawn["throughput"]
    assert ">2,345<" in drawn["storm"]
    assert drawn["filling"].count("<circle") == 2 * 10


def test_what_was_not_measured_has_no_picture(tmp_path: Path) -> None:
    made = draw([results("postgres", run(column("bookings-64"), 100))], tmp_path)
    assert {path.stem for path in made} == {"throughput", "latency"}
    assert {path.stem for path in tmp_path.iterdir()} == {"throughput", "latency"}
