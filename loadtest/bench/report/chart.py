"""One chart as an SVG: bars or lines over categories, with the range over several runs."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
import msgspec
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from loadtest.bench.report.statistics import Spread

SIZE_INCHES = (7.6, 4.3)
COLOURS = ("#1f6fc4", "#d1702b", "#3b8a52", "#8a4fa0", "#9a8420", "#6f6f6f")
_PAPER, _INK, _PALE, _GRID = "#ffffff", "#1c1c1c", "#5f5f5e", "#e2e2e2"
_DARK = {
    _PAPER: "#0d1117",
    _INK: "#e6edf3",
    _PALE: "#9198a1",
    _GRID: "#2a313c",
    **dict(zip(COLOURS, ("#58a0ee", "#e8914f", "#5cb878", "#b98ad0", "#c9b458", "#a0a0a0"), strict=True)),
}
"""The colour that replaces each colour where the reader prefers dark pages."""
_GROUP_WIDTH = 0.72
"""Share of a category's width that its bars take."""
_LINE_OFFSET = 0.008
"""Distance between the lines at one category, so that their whiskers stay apart, as a share of the width."""
_MOST_WHISKERS = 12
_LEGEND_ROW = 14.5
"""Height of a row of the legend in points."""
_STYLE: Any = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "svg.fonttype": "none",  # text stays text: small files that can be searched
    "svg.hashsalt": "aisle",  # equal results give equal files
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.5,
    "text.color": _INK,
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": _INK,
    "ytick.color": _PALE,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


class Series(msgspec.Struct, frozen=True):
    """Values of one colour: one for each category, or None."""

    name: str
    values: Sequence[Spread | None]
    reference: bool = False
    """A dashed line in the colour of the series before, to compare that one with."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart. Values are 0 or more; `about` names their unit."""

    title: str
    about: str
    categories: Sequence[str]
    """The categories, from left to right."""
    series: Sequence[Series]
    lines: bool = False
    """Lines instead of bars. With many categories, ranges are bands instead of whiskers."""
    logarithmic: bool = False

    def figure(self) -> Figure:
        """The chart as a Matplotlib figure. Raises ValueError when there is no value."""
        if not any(value for one in self.series for value in one.values):
            raise ValueError(f"{self.title}: there is nothing to show")
        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=SIZE_INCHES, layout="constrained")
            axes = figure.subplots()
            columns = len(self.series) if len(self.series) <= 4 else 3
            rows = -(-len(self.series) // columns) if columns > 1 else 0
            above = 8 + rows * _LEGEND_ROW
            axes.set_title(self.title, loc="left", fontsize=12.5, fontweight="bold", pad=above + 20)
            axes.annotate(
                self.about, (0, 1), (0, above), xycoords="axes fraction", textcoords="offset points",
                color=_PALE, fontsize=9,
            )  # fmt: skip
            axes.grid(axis="y")
            if self.logarithmic:
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_minor_locator(NullLocator())
            self._draw(axes)
            axes.set_xticks(range(len(self.categories)), self.categories)
            axes.set_xlim(-0.5, len(self.categories) - 0.5)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            if not self.logarithmic:
                axes.set_ylim(bottom=0)
            if rows:
                axes.legend(
                    loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderpad=0,
                    handlelength=2.2, columnspacing=1.8, fontsize=9,
                )  # fmt: skip
            return figure

    def svg(self) -> str:
        """The chart as the text of an SVG file. Raises ValueError when there is no value."""
        figure, drawn = self.figure(), io.StringIO()
        with mpl.rc_context(_STYLE):
            figure.savefig(drawn, format="svg", metadata={"Date": None, "Title": self.title})
        return drawn.getvalue().replace("<defs>", f"<defs>\n  <style>{_dark_style()}</style>", 1)

    def _draw(self, axes: Axes) -> None:
        colours = iter(COLOURS * len(self.series))
        colour = COLOURS[0]
        for number, one in enumerate(self.series):
            if not one.reference:
                colour = next(colours)
            points = [(category, value) for category, value in enumerate(one.values) if value]
            if one.reference:
                _draw_reference(axes, one.name, points, colour)
            elif len(self.categories) > _MOST_WHISKERS and self.lines:
                _draw_band(axes, one.name, points, colour)
            elif self.lines:
                distance = _LINE_OFFSET * len(self.categories)
                _draw_line(axes, one.name, self._beside(number, points, distance), colour)
            else:
                width = _GROUP_WIDTH / len(self.series)
                _draw_bars(axes, one.name, self._beside(number, points, width), colour, width)

    def _beside(self, number: int, points: Points, distance: float) -> Points:
        """Moves the points of series `number`, so that all series of a category are side by side."""
        offset = (number - (len(self.series) - 1) / 2) * distance
        return [(at + offset, value) for at, value in points]


Points = Sequence[tuple[float, Spread]]


def _draw_bars(axes: Axes, name: str, points: Points, colour: str, width: float) -> None:
    for at, value in points:
        axes.bar(at, value.median, width * 0.9, color=colour, label=name if at == points[0][0] else "")
        _draw_whiskers(axes, [(at, value)], _INK)
        axes.annotate(
            _number(value.median), (at, value.high), (0, 4), textcoords="offset points", ha="center", fontsize=8.5
        )  # fmt: skip
    axes.margins(y=0.1)


def _draw_line(axes: Axes, name: str, points: Points, colour: str) -> None:
    _draw_whiskers(axes, points, colour)
    medians = [value.median for _, value in points]
    axes.plot(
        [at for at, _ in points], medians, color=colour, linewidth=2, marker="o", markersize=5.5, label=name
    )
    axes.margins(y=0.1)


def _draw_band(axes: Axes, name: str, points: Points, colour: str) -> None:
    places = [at for at, _ in points]
    lows, highs = [value.low for _, value in points], [value.high for _, value in points]
    axes.fill_between(places, lows, highs, color=colour, alpha=0.18, linewidth=0)
    axes.plot(places, [value.median for _, value in points], color=colour, linewidth=2, label=name)
    axes.margins(y=0.1)


def _draw_reference(axes: Axes, name: str, points: Points, colour: str) -> None:
    medians = [value.median for _, value in points]
    axes.plot(
        [at for at, _ in points], medians, color=colour, linewidth=1.3, linestyle=(0, (5, 4)), label=name
    )


def _draw_whiskers(axes: Axes, points: Points, colour: str) -> None:
    """The lowest and the highest run of each value, where they differ."""
    several = [(at, value) for at, value in points if value.low < value.high]
    if several:
        axes.errorbar(
            [at for at, _ in several],
            [value.median for _, value in several],
            yerr=_distances(value for _, value in several),
            fmt="none", ecolor=colour, elinewidth=1.1, capsize=3,
        )  # fmt: skip


def _distances(values: Iterable[Spread]) -> list[tuple[float, ...]]:
    pairs = [(value.median - value.low, value.high - value.median) for value in values]
    return list(zip(*pairs, strict=True))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == math.floor(value) else f"{value:.3g}"


def _dark_style() -> str:
    """Rules that replace the colours; viewers without media queries show the light ones."""
    rules = " ".join(
        f'[style*="{what}: {light}"] {{ {what}: {dark} !important }}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme: dark) {{ {rules} }}"
