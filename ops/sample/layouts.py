"""The screens of the sample data: a numbered hall, and a cinema; the theatre is in theatre.py."""

from __future__ import annotations

from ops.sample.arcs import arc
from schemas.layout import Layout, Money, Row, Section, Stage, numbered

_CENTRE_Y = -38.0
"""Centre of the arcs of the cinema's rows, far behind the screen: a gentle curve."""
_ROW_GAP = 1.3
_LETTERS = "ABCDEFGHJKLM"
"""Names of rows from the screen on: without I, which looks like 1."""


def hall(currency: str) -> Layout:
    """Returns 120 numbered seats at one price."""
    return numbered(120, Money(900, currency))


def cinema(currency: str) -> Layout:
    """Returns 220 seats in twelve gently curved rows with two aisles; the back rows are the premium section.

    The last row has a place for a wheelchair user at either end, with a companion's seat beside it.
    """
    return Layout(
        (
            Section("Premium", Money(1450, currency), tuple(_row(name, 20, 5) for name in "JKHLM")),
            Section(
                "Standard",
                Money(1150, currency),
                (*(_row(name, 18, 4) for name in "GFED"), *(_row(name, 16, 4) for name in "CBA")),
            ),
        ),
        stage=Stage(x=-9, y=0, width=18, height=0.6, label="Screen"),
        accessible=("M1", "M20"),
        companions=("M2", "M19"),
    )


def _row(name: str, seats: int, side: int) -> Row:
    """A row with aisles that leave `side` seats at either end."""
    number = _LETTERS.index(name)
    behind_gangway = 0.8 if number >= _LETTERS.index("H") else 0.0
    radius = -_CENTRE_Y + 4.5 + _ROW_GAP * number + behind_gangway
    return arc(name, seats, (side, seats - side), centre_y=_CENTRE_Y, radius=radius)
