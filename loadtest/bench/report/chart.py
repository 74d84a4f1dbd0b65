"""One chart as an SVG that needs nothing else: groups of bars or lines over named places, with their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import msgspec

from loadtest.bench.report.statistics import Spread

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 118, 50
COLOURS = ("#1f5fa8", "#d1702b", "#3b8a52", "#8a4fa0", "#9a8420", "#6f6f6f")
_INK, _PALE, _GRID = "#1c1c1c", "#5f5f5f", "#e2e2e2"
_TICKS = 5
_BARS = 0.72
"""Of a place's width."""


class Series(msgspec.Struct, frozen=True):
    """What belongs together: one colour, one value at each place, or None."""

    name: str
    values: Sequence[Spread | None]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart. Values are 0 or more; `about` says in which unit they are."""

    title: str
    about: str
    places: Sequence[str]
    series: Sequence[Series]
    lines: bool = False
    logarithmic: bool = False

    def svg(self) -> str:
        """The picture. Raises ValueError when there is nothing to show."""
        values = [of for one in self.series for of in one.values if of]
        if not values:
            raise ValueError(f"{self.title}: there is nothing to show")
        scale = _Scale([of.low for of in values], [of.high for of in values], self.logarithmic)
        drawn = "".join(
            self._line(number, one, scale) if self.lines else self._bars(number, one, scale)
            for number, one in enumerate(self.series)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img">\n'
            f"<title>{escape(self.title)}</title>\n"
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
            f"{_text(LEFT, 26, self.title, size=17, weight=600)}{_text(LEFT, 46, self.about, fill=_PALE)}"
            f"{self._legend()}{self._axes(scale)}{drawn}</svg>\n"
        )

    def _place(self, number: float) -> float:
        return LEFT + (number + 0.5) * (WIDTH - LEFT - RIGHT) / len(self.places)

    def _legend(self) -> str:
        """As many names in a row as there is room for."""
        if len(self.series) == 1:
            return ""
        parts, x, y = [], LEFT, 60
        for number, one in enumerate(self.series):
            wide = 36 + round(7.2 * len(one.name))
            if x > LEFT and x + wide > WIDTH:
                x, y = LEFT, y + 20
            parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" rx="2" fill="{_colour(number)}"/>')
            parts.append(_text(x + 18, y + 11, one.name))
            x += wide
        return "".join(parts)

    def _axes(self, scale: _Scale) -> str:
        parts = []
        for tick in scale.ticks:
            y = scale.y(tick)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{_GRID}"/>')
            parts.append(_text(LEFT - 8, y + 4, f"{tick:,g}", anchor="end", fill=_PALE))
        for number, name in enumerate(self.places):
            parts.append(_text(self._place(number), HEIGHT - BOTTOM + 22, name, anchor="middle"))
        return "".join(parts) + "\n"

    def _bars(self, number: int, one: Series, scale: _Scale) -> str:
        room = _BARS * (WIDTH - LEFT - RIGHT) / len(self.places) / len(self.series)
        wide, floor = min(room * 0.9, 64.0), scale.y(scale.low)
        parts = []
        for place, of in enumerate(one.values):
            if of is None:
                continue
            middle, top = (
                self._place(place) + (number + 0.5 - len(self.series) / 2) * room,
                scale.y(of.median),
            )
            parts.append(
                f'<rect x="{middle - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{floor - top:.1f}" '
                f'rx="2" fill="{_colour(number)}"/>'
            )
            parts.append(_whisker(middle, of, scale))
            label = _number(of.median)
            parts.append(_text(middle, scale.y(of.high) - 6, label, anchor="middle", size=12))
        return "".join(parts) + "\n"

    def _line(self, number: int, one: Series, scale: _Scale) -> str:
        points = [(self._place(place), of) for place, of in enumerate(one.values) if of]
        path = " ".join(f"{x:.1f},{scale.y(of.median):.1f}" for x, of in points)
        colour = _colour(number)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        for x, of in points:
            parts.append(_whisker(x, of, scale))
            parts.append(f'<circle cx="{x:.1f}" cy="{scale.y(of.median):.1f}" r="4" fill="{colour}"/>')
        return "".join(parts) + "\n"


class _Scale:
    """Where values stand on the picture, and the round ones at which lines are drawn."""

    def __init__(self, lows: Sequence[float], highs: Sequence[float], logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        high = max(max(highs), 1e-9)
        if logarithmic:
            first = math.floor(math.log10(max(min(lows), high / 1e6)))
            last = max(math.ceil(math.log10(high)), first + 1)
            self.ticks = [10.0**exponent for exponent in range(first, last + 1)]
        else:
            step = 10.0 ** math.floor(math.log10(high / _TICKS))
            step *= next(factor for factor in (1, 2, 2.5, 5, 10) if step * factor * _TICKS >= high)
            self.ticks = [step * n for n in range(math.ceil(high * 1.02 / step) + 1)]
        self.low, self._high = self.ticks[0], self.ticks[-1]

    def y(self, value: float) -> float:
        if self._logarithmic:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self._high / self.low)
        else:
            share = value / self._high
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _whisker(x: float, of: Spread, scale: _Scale) -> str:
    if of.low == of.high:
        return ""
    low, high = scale.y(of.low), scale.y(of.high)
    ends = f"M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"
    return f'<path d="M{x:.1f} {low:.1f}V{high:.1f}{ends}" stroke="{_INK}" stroke-opacity="0.6" fill="none"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: int = 400,
    fill: str = _INK,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>\n'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
