"""Response bodies of the seat map."""

from __future__ import annotations

import msgspec

from schemas.layout import Money

Number = int | float
Optional = msgspec.UnsetType


class PricedSeatsBody(msgspec.Struct, frozen=True):
    """Single seats of a row with a price of their own."""

    seats: list[str]
    price: Money


class SeatRowBody(msgspec.Struct, frozen=True):
    """A row: its labels in order, and the numbers of seats after which there is an aisle.

    Positions are given where the layout has them; x grows to the right and y downwards, in widths of a seat. An aisle
    takes as much as the distance between two seats.
    """

    name: str
    seats: list[str]
    aisles_after: list[int]
    x: Number | Optional = msgspec.UNSET
    """Where the middle of the first seat is on the map."""
    y: Number | Optional = msgspec.UNSET
    angle: Number | Optional = msgspec.UNSET
    """Direction of the row at its first seat: degrees clockwise, 0 to the right."""
    curve: Number | Optional = msgspec.UNSET
    """Radius of the arc on which the seats are, 0 for a straight row. Positive: the centre of the circle is to the left
    of somebody who walks from the first seat to the last."""
    pitch: Number | Optional = msgspec.UNSET
    """Distance between the middles of neighbouring seats; 1 where it is missing."""
    prices: list[PricedSeatsBody] | Optional = msgspec.UNSET
    """Prices of single seats, which win over the price of the section."""


class SeatSectionBody(msgspec.Struct, frozen=True):
    """Rows that share a name and a price, best row first."""

    name: str
    price: Money
    rows: list[SeatRowBody]
    level: int | str | Optional = msgspec.UNSET
    """The floor, where the layout names it."""


class StageShapeBody(msgspec.Struct, frozen=True):
    """The stage or screen on the map: a rectangle, by its upper left corner."""

    x: Number
    y: Number
    width: Number
    height: Number
    label: str | Optional = msgspec.UNSET


class SeatMapBody(msgspec.Struct, frozen=True):
    """The layout, and in `states` one letter per seat in layout order.

    `a` available, `h` held, `s` sold, `b` blocked.
    """

    show_id: int
    version: int
    sections: list[SeatSectionBody]
    states: str
    stage: StageShapeBody | Optional = msgspec.UNSET
    """Where the stage is, if the layout says so."""
    kinds: str | Optional = msgspec.UNSET
    """One letter per seat: `-` ordinary, `w` accessible, `c` companion, `r` restricted view; left out where all are
    ordinary."""
