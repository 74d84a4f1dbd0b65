"""`python -m loadtest.bench.report.pictures RESULT.json …`: draws the pictures of the documentation.

Several files, such as one for each log, are drawn side by side. Cases that were not measured are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from loadtest.bench.report.chart import Chart, Series
from loadtest.bench.report.columns import CONFIRMED
from loadtest.bench.report.results import Case, Results
from loadtest.bench.report.statistics import Spread, spread
from loadtest.bench.scenarios import CONNECTIONS

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
LOGS = {"postgres": "PostgreSQL", "kafka": "Kafka"}
LATENCY_CONNECTIONS = (1, 64, 256)
"""Numbers of connections whose latencies are drawn; more lines would repeat colours."""


def throughput(all_results: Sequence[Results]) -> Chart:
    """Confirmed bookings per second by number of connections."""
    wanted = [f"bookings-{n}" for n in CONNECTIONS]
    return Chart(
        title="Confirmed bookings per second",
        about=f"one new seat each, 64 shows, closed loop; {_runs(all_results)}",
        categories=[_connections(n) for n in CONNECTIONS],
        series=[
            Series(_log(results), [_rate(_case(results, name)) for name in wanted]) for results in all_results
        ],
    )


def latency(all_results: Sequence[Results]) -> Chart:
    """Latency percentiles of a booking, by connections."""
    percentiles = ("p50", "p90", "p99", "p999")
    return Chart(
        title="Latency of a booking",
        about=f"milliseconds, by connections, closed loop; {_runs(all_results)}",
        categories=["p50", "p90", "p99", "p99.9"],
        series=[
            Series(
                f"{_log(results)}, {n}",
                [case.latency_ms.get(name) for name in percentiles],
            )
            for results in all_results
            for n in LATENCY_CONNECTIONS
            if (case := _case(results, f"bookings-{n}"))
        ],
        lines=True,
        logarithmic=True,
    )


def storm(all_results: Sequence[Results]) -> Chart:
    """Responses to a storm on one show, bookings beside it, and bookings at twice the capacity."""

    def values(results: Results) -> list[Spread | None]:
        other, overload = _case(results, "storm-other"), _case(results, "open-loop")
        return [
            _responses(_case(results, "storm-256")),
            other.figures.get("storm's answers/s") if other else None,
            _rate(other),
            overload.figures.get("capacity/s") if overload else None,
            _rate(overload),
        ]

    return Chart(
        title="Above capacity: storm and open loop",
        about=f"per second: 256 connections on the same seats, and an open loop; {_runs(all_results)}",
        categories=["storm: responses", "storm, shared", "64 others: booked", "capacity", "at twice: booked"],
        series=[Series(_log(results), values(results)) for results in all_results],
    )


def filling(all_results: Sequence[Results]) -> Chart:
    """CPU per booking as one show fills."""

    def costs(results: Results) -> list[Spread | None]:
        case = _case(results, "one-show-256")
        return [step[1] if len(step) > 1 else None for step in case.steps] if case else []

    found = [(results, costs(results)) for results in all_results]
    return Chart(
        title="CPU per booking as a show fills",
        about=f"microseconds of all parts of the booking path, by share of seats sold; {_runs(all_results)}",
        categories=[f"{n}0 %" for n in range(1, max((len(cost) for _, cost in found), default=0) + 1)],
        series=[Series(_log(results), cost) for results, cost in found],
        lines=True,
    )


def overload(all_results: Sequence[Results]) -> Chart:
    """Confirmed bookings in each second of an open loop above the capacity."""

    def seconds(results: Results) -> list[Spread | None]:
        runs = [run.tally.each_second for run in results.runs if run.column.case == "open-loop"]
        return [spread(of) for of in zip(*runs, strict=False)]

    found = [(results, seconds(results)) for results in all_results]
    length = max((len(of) for _, of in found), default=0)
    series = []
    for results, of in found:
        case = _case(results, "open-loop")
        series.append(Series(_log(results), of))
        series.append(
            Series(
                f"{_log(results)}, capacity",
                [case.figures["capacity/s"]] * len(of) if case else [],
                reference=True,
            )
        )
    return Chart(
        title="Confirmed bookings at twice the capacity",
        about=f"per second, by the seconds of an open loop; {_runs(all_results)}",
        categories=[str(n) if n % 5 == 0 or length <= 10 else "" for n in range(1, length + 1)],
        series=series,
        lines=True,
    )


PICTURES: dict[str, Callable[[Sequence[Results]], Chart]] = {
    "throughput": throughput,
    "latency": latency,
    "storm": storm,
    "overload": overload,
    "filling": filling,
}


def draw(all_results: Sequence[Results], folder: Path) -> list[Path]:
    """Draws all measured cases into a folder, which is made when missing. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, picture in PICTURES.items():
        try:
            drawn = picture(all_results).svg()
        except ValueError:
            continue
        path = folder / f"{name}.svg"
        path.write_text(drawn)
        made.append(path)
    return made


def _case(results: Results, name: str) -> Case | None:
    return next((case for case in results.cases if case.case == name), None)


def _rate(case: Case | None) -> Spread | None:
    return case.rates.get(CONFIRMED) if case else None


def _responses(case: Case | None) -> Spread | None:
    return case.per_second if case else None


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"


def _log(results: Results) -> str:
    return LOGS.get(results.log, results.log)


def _runs(all_results: Sequence[Results]) -> str:
    counts = sorted({case.runs for results in all_results for case in results.cases})
    runs = "–".join(str(count) for count in (counts[0], counts[-1])[: len(counts)]) if counts else "no"
    return f"median and range of {runs} run{'' if counts == [1] else 's'}"


def pictures(
    files: Annotated[list[Path], typer.Argument(help="Result files of `make bench`.")],
    folder: Annotated[Path, typer.Option(help="Folder for the pictures.")] = FOLDER,
) -> None:
    """Draws the results as SVG files."""
    try:
        read = [msgspec.json.decode(file.read_bytes(), type=Results) for file in files]
    except (OSError, msgspec.DecodeError) as error:
        raise SystemExit(f"pictures: {error}") from None
    for path in draw(read, folder):
        print(path)


if __name__ == "__main__":
    typer.run(pictures)
