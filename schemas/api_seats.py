"""Response bodies of the seat map."""

from __future__ import annotations

import msgspec

from schemas.layout import Money


class SeatRowBody(msgspec.Struct, frozen=True):
    """A row: its labels in order, and the numbers of seats after which there is an aisle."""

    name: str
    seats: list[str]
    aisles_after: list[int]


class SeatSectionBody(msgspec.Struct, frozen=True):
    """Rows that share a name and a price, best row first."""

    name: str
    price: Money
    rows: list[SeatRowBody]


class SeatMapBody(msgspec.Struct, frozen=True):
    """The layout, and in `states` one letter per seat in layout order.

    `a` available, `h` held, `s` sold, `b` blocked.
    """

    show_id: int
    version: int
    sections: list[SeatSectionBody]
    states: str
