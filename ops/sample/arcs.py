"""Rows on arcs around a common centre, symmetrical to the middle of the house (x = 0), and where their seats are."""

from __future__ import annotations

import math

from schemas.layout import Row


def arc(name: str, seats: int, aisles: tuple[int, ...], *, centre_y: float, radius: float) -> Row:
    """Returns a row around the point (0, `centre_y`), which is above it on the map: its ends are nearer to the stage.

    An aisle is as wide as a seat.
    """
    half = (seats - 1 + len(aisles)) / 2 / radius
    return Row(
        name,
        seats,
        aisles,
        x=round(-radius * math.sin(half), 2),
        y=round(centre_y + radius * math.cos(half), 2),
        angle=round(math.degrees(half), 2),
        curve=round(radius, 2),
        pitch=1,
    )


def places(row: Row) -> list[tuple[float, float]]:
    """Returns where the seats of a row with a place on the map are."""
    assert row.x is not None, "the row has a place"
    assert row.y is not None, "the row has a place"
    turned, radius, pitch = math.radians(row.angle or 0), row.curve or 0, row.pitch or 1
    found = []
    for seat in range(len(row)):
        along = pitch * (seat + sum(after <= seat for after in row.aisles_after))
        if radius:
            end = turned - along / radius
            x = row.x + radius * (math.sin(turned) - math.sin(end))
            y = row.y + radius * (math.cos(end) - math.cos(turned))
        else:
            x, y = row.x + along * math.cos(turned), row.y + along * math.sin(turned)
        found.append((x, y))
    return found
