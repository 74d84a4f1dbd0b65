"""Parts of poster compositions: the canvas, the title's box, and shapes that several of them use. Pure."""

from __future__ import annotations

from typing import NamedTuple

WIDTH, HEIGHT = 400, 600
_MARGIN = 32


class Box(NamedTuple):
    """Where the title goes. `bottom`: it stands on the lower edge, otherwise it hangs from the upper one."""

    y: float
    height: float
    bottom: bool = True
    centred: bool = False
    serif: bool = False
    x: float = _MARGIN
    width: float = WIDTH - 2 * _MARGIN


class Art(NamedTuple):
    """The shapes of a poster in SVG, above its background, and the title's box."""

    shapes: str
    box: Box


def circle(x: float, y: float, radius: float, fill: str, opacity: float = 1) -> str:
    faded = "" if opacity == 1 else f' opacity="{opacity:.2f}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}"{faded}/>'


def figure(x: float, floor: float, scale: float, fill: str) -> str:
    """Somebody from behind, standing."""
    return (
        f'<g transform="translate({x:.0f} {floor:.0f}) scale({scale})" fill="{fill}"><circle cy="-112" r="14"/>'
        '<path d="M-20 -66Q-20 -94 0 -94T20 -66L15 -34L12 2H2L0 -34L-2 2H-12L-15 -34Z"/></g>'
    )
