"""The figures of the site with their goals, their runs, and the table of medians."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from loadtest.bench.report.machine import Machine
from loadtest.bench.report.statistics import spread

FOLDER = Path(__file__).parents[1] / "results"


class Figure(msgspec.Struct, frozen=True):
    """One row of the table."""

    name: str
    title: str
    unit: str
    goal: float | None = None
    more_is_better: bool = False

    def reached(self, value: float) -> bool:
        """Returns whether a value reaches the goal."""
        assert self.goal is not None
        return value >= self.goal if self.more_is_better else value <= self.goal


FIGURES = (
    Figure("map-100000", "100,000 seats, cold cache, from navigation to a usable map", "ms", 1000),
    Figure("map-100000-kb", "… transferred, compressed", "KB", 250),
    Figure("map-5000", "5,000 seats, the same", "ms", 300),
    Figure("map-5000-kb", "… transferred, compressed", "KB"),
    Figure("pan-p95", "main thread per frame while panning 100,000 seats, p95", "ms", 8),
    Figure("pan-frames", "… frames per second", "1/s"),
    Figure("change-p99", "a change under a crowd of 500, from commit to screen, p99", "ms", 300),
    Figure("change-p50", "… p50", "ms"),
    Figure("changes-1000", "1,000 changes in one message, main thread", "ms", 16),
    Figure("changes-1000-all", "… with the list and the numbers, in later frames", "ms"),
    Figure("landing-fcp", "landing page, first contentful paint", "ms", 1000),
    Figure("landing-cls", "… layout shift", "", 0.05),
    Figure("landing-kb", "… transferred, compressed", "KB", 100),
    Figure("watched-share", "bookings a second while 500 sockets watch the show, of without", "", 0.9, True),
    Figure("watched", "… with", "1/s"),
    Figure("unwatched", "… without", "1/s"),
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one case."""

    case: str
    round: int
    figures: dict[str, float]
    raw: dict[str, Any]
    """What the figures were computed from, and what may explain them."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All runs, as written to a file."""

    at: str
    machine: Machine
    browser: str
    runs: list[Run]

    def write(self) -> Path:
        """Writes the results into the results folder. Returns the file."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.at.replace(':', '').replace('-', '')[:15]}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def print_table(results: Results, console: Console) -> None:
    """Prints the median, the lowest and the highest value of each figure."""
    rounds = max((run.round for run in results.runs), default=0)
    machine = results.machine
    console.print(f"{machine.cpu}, {machine.cores} cores, {results.browser}, commit {machine.commit}")
    console.print(f"median (lowest–highest) of {rounds} runs")
    table = Table(box=box.SIMPLE_HEAD)
    for heading, side in (("", "left"), ("goal", "right"), ("median", "right"), ("", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for figure in FIGURES:
        seen = spread(values(results.runs, figure.name))
        if seen is None:
            continue
        goal = "" if figure.goal is None else f"{'≥' if figure.more_is_better else '≤'} {figure.goal:g}"
        mark = "" if figure.goal is None else "✓" if figure.reached(seen.median) else "missed"
        value = f"{_number(seen.median)} ({_number(seen.low)}–{_number(seen.high)}) {figure.unit}".rstrip()
        table.add_row(figure.title, f"{goal} {figure.unit}".strip() if goal else "", value, mark)
    console.print(table)


def values(runs: Sequence[Run], name: str) -> list[float]:
    """Returns the values of a figure in all runs that have it."""
    return [run.figures[name] for run in runs if name in run.figures]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"
