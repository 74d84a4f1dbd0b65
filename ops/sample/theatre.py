"""The theatre of the sample data: stalls in a fan, two balconies behind them, boxes along the walls.

Measures are in widths of a seat. The arcs of all rows have their centre behind the stage's edge, so the aisles of a
floor are in line.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from ops.sample.arcs import arc, places
from schemas.layout import Layout, Money, Row, SeatPrice, Section, Stage

_LETTERS = "ABCDEFGHJKLMNOP"
"""Names of rows: without I, which looks like 1."""
_CENTRE_Y = -9.0
_ROW_GAP = 1.4
_STAGE = Stage(x=-7.5, y=-2.5, width=15, height=5, label="Stage")
_EYE = (0.0, 0.0)
"""What everybody wants to see: the middle of the stage."""

_STALLS_FAN = math.radians(37)
"""Half of the angle of a floor's rows."""
_CIRCLE_FAN = math.radians(36)
_BALCONY_FAN = math.radians(28)
_GANGWAY_BEFORE = 7
"""The stalls' row with a gangway in front of it, in which the pillars of the circle stand."""
_PILLARS_AT = (math.radians(-24), math.radians(24))
_SHADOW = 0.62
"""Half of the width of what a pillar hides, and so many rows behind it."""
_SHADOW_ROWS = 5


def theatre(currency: str) -> Layout:
    """Returns 866 seats: stalls, circle and balcony, each in curved rows, and eight boxes of four seats.

    Wheelchair users have places at the gangway and at the ends of the last rows of stalls and circle, each with a
    companion's seat beside it. Pillars hide a part of the stage from some seats of the stalls, its frame from the ends
    of the balcony and from the seat of each box that is nearest to it: these cost less. The middle of the front stalls
    costs more.
    """
    stalls = [_fan(name, _STALLS_FAN, _stalls_radius(n)) for n, name in enumerate(_LETTERS[:14])]
    circle = [_fan(f"C{name}", _CIRCLE_FAN, 40 + _ROW_GAP * n) for n, name in enumerate(_LETTERS[:4])]
    balcony = [_fan(f"B{name}", _BALCONY_FAN, 48.5 + _ROW_GAP * n) for n, name in enumerate(_LETTERS[:4])]
    left, right = [_box(n, -1) for n in range(4)], [_box(n, 1) for n in range(4)]

    hidden = {row.name: _behind_pillars(row) for row in stalls[_GANGWAY_BEFORE:][:_SHADOW_ROWS]}
    hidden |= {row.name: _ends(row, 0, 1) for row in balcony}
    hidden |= {row.name: row.labels()[:1] for row in left} | {row.name: row.labels()[-1:] for row in right}
    best = {row.name: _middle_block(row) for row in stalls[1:_GANGWAY_BEFORE]}
    pairs = [
        *_beside_aisles(stalls[_GANGWAY_BEFORE]),
        *_beside_ends(stalls[-1]),
        *_beside_ends(circle[-1]),
    ]

    def priced(rows: list[Row], less: int) -> tuple[Row, ...]:
        return tuple(
            replace(
                row,
                prices=tuple(
                    SeatPrice(seats, Money(amount, currency))
                    for seats, amount in ((best.get(row.name, ()), 5900), (hidden.get(row.name, ()), less))
                    if seats
                ),
            )
            for row in rows
        )

    return Layout(
        (
            Section("Stalls", Money(4500, currency), priced(stalls, 2800), level=0),
            Section("Circle", Money(3800, currency), priced(circle, 2800), level=1),
            Section("Left boxes", Money(4200, currency), priced(left, 2400), level=1),
            Section("Right boxes", Money(4200, currency), priced(right, 2400), level=1),
            Section("Balcony", Money(2200, currency), priced(balcony, 1500), level=2),
        ),
        stage=_STAGE,
        accessible=tuple(place for place, _ in pairs),
        companions=tuple(companion for _, companion in pairs),
        restricted_view=tuple(label for labels in hidden.values() for label in labels),
    )


def _stalls_radius(row: int) -> float:
    return 15 + _ROW_GAP * row + (1.2 if row >= _GANGWAY_BEFORE else 0)


def _fan(name: str, half_angle: float, radius: float) -> Row:
    """A row as wide as the fan, with two aisles that leave a bit more than a quarter of the seats at either side."""
    seats = round(2 * half_angle * radius) - 1
    side = round(seats * 0.27)
    return arc(name, seats, (side, seats - side), centre_y=_CENTRE_Y, radius=radius)


def _box(number: int, side: int) -> Row:
    """One of the boxes along a wall, the first nearest to the stage: four seats in a straight row.

    Seats are numbered from the left of those who sit there and face the house: on the left (-1) away from the stage,
    on the right towards it.
    """
    wall = math.radians(58)
    along = 5.6 * number
    near = (side * (16.5 + along * math.cos(wall)), 1.5 + along * math.sin(wall))
    far = (near[0] + side * 3 * math.cos(wall), near[1] + 3 * math.sin(wall))
    first = near if side < 0 else far
    angle = side * (math.degrees(wall) - 180)
    name = f"{'L' if side < 0 else 'R'}{'ABCD'[number]}"
    return Row(name, 4, x=round(first[0], 2), y=round(first[1], 2), angle=round(angle, 2), pitch=1)


def _behind_pillars(row: Row) -> tuple[str, ...]:
    """Labels of the seats from which a pillar stands before the middle of the stage."""
    radius = _stalls_radius(_GANGWAY_BEFORE) - 1.3
    pillars = [(radius * math.sin(turned), _CENTRE_Y + radius * math.cos(turned)) for turned in _PILLARS_AT]
    return tuple(
        label
        for label, place in zip(row.labels(), places(row), strict=True)
        if any(_distance(pillar, place) < _SHADOW for pillar in pillars)
    )


def _distance(pillar: tuple[float, float], place: tuple[float, float]) -> float:
    """Distance of a pillar from the line of sight."""
    dx, dy = place[0] - _EYE[0], place[1] - _EYE[1]
    return abs(dx * (pillar[1] - _EYE[1]) - dy * (pillar[0] - _EYE[0])) / math.hypot(dx, dy)


def _middle_block(row: Row) -> tuple[str, ...]:
    first, last = row.aisles_after
    return row.labels()[first:last]


def _ends(row: Row, *distances: int) -> tuple[str, ...]:
    """Labels of the seats at these distances from either end of a row."""
    labels = row.labels()
    return (*(labels[n] for n in distances), *(labels[-1 - n] for n in reversed(distances)))


def _beside_ends(row: Row) -> list[tuple[str, str]]:
    """The first and the last seat, each with the seat beside it."""
    labels = row.labels()
    return [(labels[0], labels[1]), (labels[-1], labels[-2])]


def _beside_aisles(row: Row) -> list[tuple[str, str]]:
    """The seats of the middle block that are at the aisles, each with the seat beside it."""
    block = _middle_block(row)
    return [(block[0], block[1]), (block[-1], block[-2])]
