"""`python -m loadtest.dashboard`: draws the panels of deploy/grafana/aisle.json from a Prometheus, as pictures.

For docs/pictures: run Aisle and Prometheus (deploy/prometheus/) under load for a while first.
"""

from __future__ import annotations

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "aisle.json"

_GROUND, _INK, _PALE, _GRID = "#181b1f", "#d8d9da", "#8e9199", "#2c3035"
_COLOURS = (
    "#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5195ce", "#ba43a9", "#a89de0", "#508642", "#cca300",
)  # fmt: skip
_RATE = "20s"
"""In the place of Grafana's interval of rates: four scrapes of 5 s."""
_COLUMNS = 3
_MOST_SERIES = 8
_STYLE: Any = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 8,
    "text.color": _INK,
    "figure.facecolor": "#111217",
    "axes.facecolor": _GROUND,
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "xtick.color": _PALE,
    "ytick.color": _PALE,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "axes.prop_cycle": cycler(color=_COLOURS),
}

Points = list[tuple[float, float]]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def draw(
    prometheus: Annotated[str, typer.Option(help="Address of Prometheus.")] = "http://127.0.0.1:9090",
    minutes: Annotated[float, typer.Option(min=1, help="Time that is shown, until now or --until.")] = 10,
    until: Annotated[float, typer.Option(help="End of that time, in Unix seconds; 0 is now.")] = 0,
    folder: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/pictures"),
) -> None:
    """Writes dashboard-1.webp (numbers, and the first half of the panels) and dashboard-2.webp (the others)."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    numbers = [panel for panel in panels if panel["type"] == "stat"]
    series = [panel for panel in panels if panel["type"] == "timeseries"]
    end_s = until or time.time()
    half = math.ceil(len(series) / 2 / _COLUMNS) * _COLUMNS
    for number, (top, below) in enumerate([(numbers, series[:half]), ([], series[half:])], start=1):
        path = folder / f"dashboard-{number}.webp"
        _picture(prometheus, top, below, end_s - minutes * 60, end_s).savefig(path, dpi=110, format="webp")
        print(f"{path}: {path.stat().st_size // 1024} KB")


def _picture(
    prometheus: str,
    numbers: Sequence[dict[str, Any]],
    series: Sequence[dict[str, Any]],
    start_s: float,
    end_s: float,
) -> Figure:
    rows = math.ceil(len(series) / _COLUMNS)
    heights = [0.45] * bool(numbers) + [1.0] * rows
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(12, 2.3 * sum(heights)), layout="constrained")
        grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        cells = grid[0].subgridspec(1, max(1, len(numbers)))
        for index, panel in enumerate(numbers):
            axes = figure.add_subplot(cells[index])
            _draw_number(axes, panel, _query(prometheus, panel, start_s, end_s))
        below = [grid[row + bool(numbers)].subgridspec(1, _COLUMNS) for row in range(rows)]
        for index, panel in enumerate(series):
            row, column = divmod(index, _COLUMNS)
            axes = figure.add_subplot(below[row][column])
            _draw_series(axes, panel, _query(prometheus, panel, start_s, end_s))
            axes.set_xlim(start_s, end_s)
        return figure


def _query(prometheus: str, panel: dict[str, Any], start_s: float, end_s: float) -> list[tuple[str, Points]]:
    """The series of a panel with their legends."""
    found = []
    for target in panel["targets"]:
        parameters = {
            "query": target["expr"].replace("$__rate_interval", _RATE),
            "start": start_s,
            "end": end_s,
            "step": max(1.0, (end_s - start_s) / 240),
        }
        url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            for one in json.load(answer)["data"]["result"]:
                legend = target["legendFormat"]
                for label, value in one["metric"].items():
                    legend = legend.replace("{{" + label + "}}", value)
                found.append((legend, [(at_s, float(value)) for at_s, value in one["values"]]))
    return found


def _draw_number(axes: Axes, panel: dict[str, Any], series: list[tuple[str, Points]]) -> None:
    points = [point for point in (series[0][1] if series else []) if not math.isnan(point[1])]
    axes.set_axis_off()
    axes.set_title(panel["title"], color=_INK, fontsize=8, loc="left")
    if not points:
        axes.text(0.5, 0.5, "–", ha="center", va="center", fontsize=17, color=_PALE, transform=axes.transAxes)
        return
    axes.fill_between(
        [at_s for at_s, _ in points], [value for _, value in points], color=_COLOURS[0], alpha=0.25
    )
    axes.set_ylim(0, max(value for _, value in points) * 2.4 or 1)
    text = _shown(panel["fieldConfig"]["defaults"]["unit"], points[-1][1])
    axes.text(
        0.5, 0.6, text, ha="center", va="center", fontsize=17, color=_COLOURS[0], transform=axes.transAxes
    )


def _draw_series(axes: Axes, panel: dict[str, Any], series: list[tuple[str, Points]]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    largest = sorted(series, key=lambda one: -max(value for _, value in one[1]))[:_MOST_SERIES]
    for legend, points in sorted(largest, key=lambda one: one[0]):
        axes.plot([at_s for at_s, _ in points], [value for _, value in points], linewidth=0.9, label=legend)
    axes.set_title(panel["title"], color=_INK, fontsize=8.5, loc="left")
    highest = max((value for _, points in largest for _, value in points if math.isfinite(value)), default=0)
    rows = math.ceil(len(largest) / 2)
    axes.set_ylim(0, (highest or 1) * (1.1 + 0.12 * rows))  # the legend is above the lines
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at_s, _: datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S"))
    )
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _shown(unit, value)))
    axes.tick_params(labelsize=7, length=0)
    if largest:
        axes.legend(loc="upper left", ncols=2, handlelength=1.0, columnspacing=1.0, labelspacing=0.25)


def _shown(unit: str, value: float) -> str:
    """A value as Grafana writes it in this unit."""
    match unit:
        case "s":
            return f"{value * 1000:,.3g} ms" if value < 1 else f"{value:,.3g} s"
        case "bytes":
            return f"{value / 2**20:,.0f} MiB"
        case "percentunit":
            return f"{value * 100:,.3g} %"
        case "reqps":
            return f"{value:,.3g} /s" if value < 1000 else f"{value:,.0f} /s"
        case _:
            return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    app()
