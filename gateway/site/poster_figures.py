"""Compositions of generated posters that are figures: rows of seats, rings, tiles, discs, rays, stripes, a dial."""

from __future__ import annotations

import math
from random import Random

from gateway.site.poster_palettes import Palette
from gateway.site.poster_shapes import Art, Box, circle


def auditorium(draw: Random, colours: Palette) -> Art:
    """Curved rows of seats; one of them is lit."""
    shapes = []
    rows = 8
    lit_row = draw.randint(2, rows - 2)
    for row in range(rows):
        radius = 120 + 46 * row
        seats = 7 + 4 * row
        spread = math.radians(62)
        lit = draw.randint(seats // 4, 3 * seats // 4) if row == lit_row else -1
        for seat in range(seats):
            angle = -spread + 2 * spread * seat / (seats - 1)
            x, y = 200 + radius * math.sin(angle), 660 - radius * math.cos(angle)
            if not -20 < x < 420:
                continue
            tone = colours.accent if seat == lit else (colours.light, colours.middle)[(row + seat // 9) % 2]
            shapes.append(
                f'<rect x="-10" y="-10" width="20" height="22" rx="6" fill="{tone}" '
                f'transform="translate({x:.1f} {y:.1f}) rotate({math.degrees(angle):.1f})"/>'
            )
    stage = f'<circle cx="200" cy="668" r="92" fill="{colours.accent}"/>'
    return Art(stage + "".join(shapes), Box(36, 128, bottom=False))


def orbits(draw: Random, colours: Palette) -> Art:
    """A planet with its rings, moons and stars."""
    shapes = [
        circle(
            draw.uniform(8, 392),
            draw.uniform(8, 420),
            draw.choice((1, 1.4, 2.2)),
            colours.ink,
            draw.uniform(0.4, 1),
        )
        for _ in range(46)
    ]
    x, y, radius, tilt = (
        draw.uniform(150, 260),
        draw.uniform(190, 230),
        draw.uniform(84, 104),
        draw.uniform(-32, -12),
    )
    ring = f'cx="{x:.0f}" cy="{y:.0f}" fill="none" transform="rotate({tilt:.0f} {x:.0f} {y:.0f})"'
    wide, high = radius * 1.75, radius * 0.42
    back = f'<ellipse {ring} rx="{wide:.0f}" ry="{high:.0f}" stroke="{colours.accent}" stroke-width="7"/>'
    shapes += [
        back,
        circle(x, y, radius, colours.light),
        f'<clipPath id="p"><circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.0f}"/></clipPath><g clip-path="url(#p)">'
        + circle(x - radius * 0.5, y - radius * 0.25, radius * 1.2, colours.middle)
        + "</g>",
        f'<clipPath id="f"><rect x="{x - 260:.0f}" y="{y:.0f}" width="520" height="260" '
        f'transform="rotate({tilt:.0f} {x:.0f} {y:.0f})"/></clipPath><g clip-path="url(#f)">{back}</g>',
    ]
    for n, far in enumerate((1.45, 2.15)):
        angle = draw.uniform(0, math.tau)
        shapes.append(
            circle(
                x + radius * far * math.cos(angle),
                y + radius * far * math.sin(angle) * 0.8,
                13 - 5 * n,
                colours.accent,
            )
        )
    return Art("".join(shapes), Box(424, 148))


def tiles(draw: Random, colours: Palette) -> Art:
    """Quarter circles, discs and triangles in a grid."""
    tones = (colours.light, colours.accent, colours.middle, colours.deep)
    shapes = []
    for row in range(4):
        for column in range(4):
            back, front = draw.sample(tones, 2)
            turn = 90 * draw.randrange(4)
            kind = draw.randrange(5)
            shape = (
                "M0 0H100A100 100 0 0 1 0 100Z",
                "M0 0A50 50 0 0 0 100 0Z M0 50A50 50 0 0 0 100 50Z",
                "M50 8A42 42 0 1 0 50 92A42 42 0 1 0 50 8Z",
                "M0 0L100 100H0Z",
                "M0 0H100A100 100 0 0 1 0 100Z M0 0H46A46 46 0 0 1 0 46Z",
            )[kind]
            inner = f'<path d="M0 0H46A46 46 0 0 1 0 46Z" fill="{back}"/>' if kind == 4 else ""
            shapes.append(
                f'<g transform="translate({100 * column} {100 * row})"><path d="M0 0H100V100H0Z" fill="{back}"/>'
                f'<g transform="rotate({turn} 50 50)"><path d="{shape}" fill="{front}"/>{inner}</g></g>'
            )
    return Art("".join(shapes), Box(424, 148))


def pair(draw: Random, colours: Palette) -> Art:
    """Two discs that meet."""
    radius = draw.uniform(104, 122)
    apart, rise = draw.uniform(54, 74), draw.uniform(-44, 44)
    ax, ay, bx, by = 200 - apart, 214 + rise, 200 + apart, 214 - rise
    shapes = (
        circle(ax, ay, radius, colours.accent)
        + circle(bx, by, radius, colours.light)
        + f'<clipPath id="l"><circle cx="{ax:.0f}" cy="{ay:.0f}" r="{radius:.0f}"/></clipPath>'
        f'<g clip-path="url(#l)">{circle(bx, by, radius, colours.ink)}</g>'
    )
    rings = "".join(
        f'<circle cx="200" cy="214" r="{radius + apart + 14 * n:.0f}" fill="none" stroke="{colours.middle}" '
        f'stroke-width="2" opacity="{1 - n * 0.2:.1f}"/>'
        for n in range(1, 5)
    )
    return Art(rings + shapes, Box(430, 142, centred=True, serif=True))


def rays(draw: Random, colours: Palette) -> Art:
    """Rays of a rising half disc."""
    count = draw.choice((18, 22, 26))
    x = draw.choice((120, 200, 280))
    shapes = []
    for n in range(count):
        if n % 2:
            continue
        begin, end = (math.pi * m / count for m in (n, n + 1))
        shapes.append(
            f"M{x} 404L{x - 620 * math.cos(begin):.0f} {404 - 620 * math.sin(begin):.0f}"
            f"L{x - 620 * math.cos(end):.0f} {404 - 620 * math.sin(end):.0f}Z"
        )
    discs = "".join(
        f'<path d="M{x - r} 404A{r} {r} 0 0 1 {x + r} 404Z" fill="{tone}"/>'
        for r, tone in (
            (150, colours.middle),
            (112, colours.accent),
            (70, colours.ground),
            (34, colours.accent),
        )
    )
    floor = f'<path d="M0 404H400V600H0Z" fill="{colours.ground}"/><path d="M0 404H400v6H0Z" fill="{colours.accent}"/>'
    return Art(f'<path d="{"".join(shapes)}" fill="{colours.light}"/>{discs}{floor}', Box(436, 136))


def striped_sun(draw: Random, colours: Palette) -> Art:
    """A sun cut into stripes above a plain of lines."""
    x, radius = draw.uniform(170, 230), draw.uniform(116, 136)
    shapes = [circle(x, 196, radius, colours.accent)]
    y, gap = 196.0, 5.0
    while y < 196 + radius:
        shapes.append(f'<path d="M0 {y:.0f}H400v{gap:.0f}H0Z" fill="{colours.ground}"/>')
        y += 19
        gap += 2.4
    shapes.append(f'<path d="M0 318H400V600H0Z" fill="{colours.deep}"/>')
    plain = [f"M{x + n * 16:.0f} 318L{x + n * 92:.0f} 600" for n in range(-10, 11)]
    plain += [f"M0 {318 + 4.2 * n * n:.0f}H400" for n in range(9)]
    shapes.append(f'<path d="{"".join(plain)}" stroke="{colours.middle}" stroke-width="1.6"/>')
    shapes.append(f'<path d="M0 414H400V600H0Z" fill="{colours.deep}"/>')
    return Art("".join(shapes), Box(432, 140, centred=True))


def hands(draw: Random, colours: Palette) -> Art:
    """The face of a clock in a large disc."""
    hour, minute = draw.uniform(0, math.tau), draw.uniform(0, math.tau)
    marks = "".join(
        f'<rect x="197" y="66" width="6" height="{22 if n % 3 == 0 else 12}" rx="3" fill="{colours.ink}" '
        f'transform="rotate({30 * n} 200 212)"/>'
        for n in range(12)
    )
    return Art(
        circle(200, 212, 176, colours.middle)
        + circle(200, 212, 160, colours.deep)
        + marks
        + _hand(hour, 84, 11, colours.light)
        + _hand(minute, 126, 7, colours.accent)
        + circle(200, 212, 13, colours.accent),
        Box(430, 142, centred=True, serif=True),
    )


def _hand(angle: float, length: float, width: float, fill: str) -> str:
    return (
        f'<rect x="{200 - width / 2:.1f}" y="{212 - length:.0f}" width="{width}" height="{length + 20:.0f}" '
        f'rx="{width / 2}" fill="{fill}" transform="rotate({math.degrees(angle):.0f} 200 212)"/>'
    )
