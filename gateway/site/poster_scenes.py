"""Compositions of generated posters that show a place: hills, a stage, doors, houses, the sea, rain."""

from __future__ import annotations

from random import Random

from gateway.site.poster_palettes import Palette
from gateway.site.poster_shapes import Art, Box, circle, figure


def horizon(draw: Random, colours: Palette) -> Art:
    """A large sun or moon behind hills."""
    x, radius = draw.uniform(120, 285), draw.uniform(86, 120)
    shapes = [circle(x, 210, radius, colours.accent)]
    for n, (base, tone) in enumerate(((285, colours.light), (335, colours.middle), (390, colours.deep))):
        shapes.append(f'<path d="{_hills(draw, base, 46 - 8 * n)}" fill="{tone}"/>')
    return Art("".join(shapes), Box(424, 148, serif=True))


def beam(draw: Random, colours: Palette) -> Art:
    """A figure in the light of a projector."""
    left = draw.random() < 0.5
    source = 40 if left else 360
    middle = draw.uniform(170, 230)
    near, far = middle - 128, middle + 128
    shapes = (
        '<defs><linearGradient id="a" x1="0" y1="0" x2="0" y2="1">'
        f'<stop offset="0" stop-color="{colours.accent}"/>'
        f'<stop offset="1" stop-color="{colours.accent}" stop-opacity=".18"/></linearGradient></defs>'
        f'<path d="M{source - 9} -10H{source + 9}L{far:.0f} 398H{near:.0f}Z" fill="url(#a)"/>'
        f'<ellipse cx="{middle:.0f}" cy="398" rx="128" ry="22" fill="{colours.accent}"/>'
        + figure(middle, 396, 1.0, colours.deep)
        + f'<ellipse cx="{middle + (26 if left else -26):.0f}" cy="400" rx="46" ry="7" fill="{colours.deep}" '
        'opacity=".55"/>'
    )
    return Art(shapes, Box(440, 132))


def doorway(draw: Random, colours: Palette) -> Art:
    """Doors behind doors; light in the last one, and somebody there."""
    shapes = []
    middle = draw.uniform(165, 235)
    arched = draw.random() < 0.6
    tones = (colours.deep, colours.middle, colours.deep, colours.light, colours.accent)
    for n, tone in enumerate(tones):
        width, top = 300 - 58 * n, 30 + 48 * n
        x = 200 + (middle - 200) * n / 2 - width / 2
        shapes.append(_door(x, top, width, 418, arched, tone))
    last = 200 + (middle - 200) * 2
    shapes.append(figure(last, 418, 0.72, colours.deep))
    shapes.append(
        f'<path d="M{last - 34:.0f} 418H{last + 34:.0f}L{last + 92:.0f} 446H{last - 92:.0f}Z" fill="{colours.accent}" '
        'opacity=".35"/>'
    )
    return Art("".join(shapes), Box(456, 116, centred=True, serif=True))


def windows(draw: Random, colours: Palette) -> Art:
    """Houses at night: most windows are dark."""
    shapes = [circle(draw.uniform(70, 330), 246, 44, colours.light)]
    x = 0.0
    lit = draw.sample(range(60), 9)
    number = 0
    while x < 400:
        width = draw.choice((76, 92, 108))
        top = draw.uniform(236, 380)
        tone = draw.choice((colours.middle, colours.deep))
        shapes.append(f'<path d="M{x:.0f} {top:.0f}H{x + width:.0f}V600H{x:.0f}Z" fill="{tone}"/>')
        columns = int((width - 20) // 24)
        inset = (width - 24 * columns + 8) / 2
        dark = colours.deep if tone == colours.middle else colours.middle
        for row in range(int((580 - top) // 34)):
            for column in range(columns):
                window = colours.accent if number % 60 in lit else dark
                number += draw.randint(1, 3)
                shapes.append(
                    f'<rect x="{x + inset + 24 * column:.0f}" y="{top + 22 + 34 * row:.0f}" width="16" height="22" '
                    f'fill="{window}"/>'
                )
        x += width
    return Art("".join(shapes), Box(36, 148, bottom=False))


def waves(draw: Random, colours: Palette) -> Art:
    """A sea of scales under the moon."""
    x = draw.uniform(96, 304)
    shapes = [circle(x, 300, 92, colours.accent)]
    tones = (colours.deep, colours.light, colours.middle, colours.accent)
    for row in range(9):
        base = 352 + 32 * row
        for column in range(-1, 6):
            middle = column * 80 + (40 if row % 2 else 0)
            shapes += [
                circle(middle, base, radius, tones[n] if n < 3 else colours.deep)
                for n, radius in enumerate((45, 38, 27, 15))
            ]
    return Art("".join(shapes), Box(36, 152, bottom=False, serif=True))


def rain(draw: Random, colours: Palette) -> Art:
    """Rain, and one umbrella."""
    strokes = []
    for _ in range(120):
        x, y, length = draw.uniform(-40, 420), draw.uniform(-30, 420), draw.uniform(16, 58)
        strokes.append(f"M{x:.0f} {y:.0f}l{-length * 0.34:.0f} {length:.0f}")
    x = draw.uniform(150, 250)
    umbrella = (
        f'<g transform="translate({x:.0f} 250)"><path d="M-104 0A104 104 0 0 1 104 0Q86 -20 69 0Q52 -20 35 0Q17 -20 0 0'
        f'Q-17 -20 -35 0Q-52 -20 -69 0Q-86 -20 -104 0Z" fill="{colours.accent}"/>'
        f'<path d="M0 -112V128q0 20 17 20t17 -18" fill="none" stroke="{colours.accent}" stroke-width="6" '
        'stroke-linecap="round"/></g>'
    )
    return Art(
        f'<path d="{"".join(strokes)}" stroke="{colours.light}" stroke-width="3" stroke-linecap="round" opacity=".75"/>'
        f'<path d="M{x - 88:.0f} 254H{x + 88:.0f}L{x + 40:.0f} 424H{x - 126:.0f}Z" fill="{colours.ground}" '
        'opacity=".86"/>'
        f"{umbrella}"
        f'<path d="M0 418H400V600H0Z" fill="{colours.deep}"/>',
        Box(440, 132, serif=True),
    )


def _hills(draw: Random, base: float, swing: float) -> str:
    ends = [base + draw.uniform(-swing, swing) for _ in range(4)]
    first, *others = ends
    path = f"M0 {first:.0f}"
    before = first
    for n, y in enumerate(others):
        x = 400 * n / 3
        path += f"C{x + 50:.0f} {before:.0f} {x + 84:.0f} {y:.0f} {x + 400 / 3:.0f} {y:.0f}"
        before = y
    return f"{path}V600H0Z"


def _door(x: float, top: float, width: float, floor: float, arched: bool, fill: str) -> str:
    if not arched:
        return f'<path d="M{x:.0f} {top:.0f}h{width:.0f}V{floor}h-{width:.0f}Z" fill="{fill}"/>'
    radius = width / 2
    return (
        f'<path d="M{x:.0f} {floor}V{top + radius:.0f}a{radius:.0f} {radius:.0f} 0 0 1 {width:.0f} 0V{floor}Z" '
        f'fill="{fill}"/>'
    )
