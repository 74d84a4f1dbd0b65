"""Seating layouts: sections, rows, labels, prices, kinds of seats, and where the rows stand on the map.

The structs are the stored forms: unknown fields, as from a later release, are ignored. Request bodies have strict ones.
Fields that are left out are not stored, so that a layout keeps its digest when later releases add fields.

A stored layout never changes. Shows refer to it by id and digest, and inside the writer a seat is its index in layout
order.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from schemas.seat_labels import DEFAULT_PATTERN, MAX_LABEL, MAX_REQUESTED_LABEL, LabelPattern, read_pattern
from schemas.text import LINE

MAX_SEATS = 100_000
MAX_PRICE = 10**9
MAX_EXTENT = 1_000_000
"""Bound of coordinates and lengths, in widths of a seat."""

Name = Annotated[str, msgspec.Meta(max_length=60)]
Caption = Annotated[str, msgspec.Meta(max_length=60, pattern=LINE)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL)]
RequestedLabel = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REQUESTED_LABEL)]
"""A label as clients write it: it may be shorter in NFC."""
PatternText = Annotated[str, msgspec.Meta(max_length=60)]
Coordinate = (
    Annotated[int, msgspec.Meta(ge=-MAX_EXTENT, le=MAX_EXTENT)]
    | Annotated[float, msgspec.Meta(ge=-MAX_EXTENT, le=MAX_EXTENT)]
)
"""Numbers of the map are given back as they were: 1 stays 1, and 1.0 stays 1.0."""
Length = (
    Annotated[int, msgspec.Meta(gt=0, le=MAX_EXTENT)] | Annotated[float, msgspec.Meta(gt=0, le=MAX_EXTENT)]
)
Angle = Annotated[int, msgspec.Meta(ge=-360, le=360)] | Annotated[float, msgspec.Meta(ge=-360, le=360)]
Level = Annotated[int, msgspec.Meta(ge=-100, le=100)] | Caption
"""A number or a name of a floor."""


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=MAX_PRICE * 10)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class SeatPrice(msgspec.Struct, frozen=True):
    """The price of single seats of a row, which wins over the price of the section."""

    seats: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1)]
    price: Money


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of seats. `seats` is their number (labels are then made by a pattern) or their labels.

    On the map x grows to the right and y downwards, in widths of a seat; the stage is usually at the top. An aisle
    is as wide as the distance between two seats.
    """

    name: Name
    seats: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)] | tuple[Label, ...]
    aisles_after: tuple[Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)], ...] = ()
    """Positions of aisles: the number of seats before each, counted from the start of the row."""
    x: Coordinate | None = None
    """Where the middle of the first seat is on the map."""
    y: Coordinate | None = None
    angle: Angle | None = None
    """Direction of the row at its first seat: degrees clockwise, 0 to the right."""
    curve: Coordinate | None = None
    """Radius of the arc on which the seats are, 0 for a straight row. Positive: the centre of the circle is to the left
    of somebody who walks from the first seat to the last, so that the ends are nearer to a stage at the top."""
    pitch: Length | None = None
    """Distance between the middles of neighbouring seats, 1 if left out."""
    prices: tuple[SeatPrice, ...] = ()
    """Prices of single seats."""

    def labels(self, pattern: LabelPattern = DEFAULT_PATTERN) -> tuple[str, ...]:
        """The labels of the seats. `pattern`: that of the section, see `Layout.pattern_of`."""
        if isinstance(self.seats, int):
            before, after = pattern.affixes(self.name)
            return tuple([f"{before}{number}{after}" for number in range(1, self.seats + 1)])
        return self.seats

    def __len__(self) -> int:
        return self.seats if isinstance(self.seats, int) else len(self.seats)


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows that share a name and a price, best row first."""

    name: Name
    price: Money
    rows: tuple[Row, ...]
    level: Level | None = None
    """The floor of the section, a number or a name."""
    label: PatternText | None = None
    """Pattern of the labels, such as `{row}-{seat}`, in rows whose `seats` is a number; wins over the layout's."""


class Stage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stage or screen on the map: a rectangle, by its upper left corner."""

    x: Coordinate
    y: Coordinate
    width: Length
    height: Length
    label: Caption | None = None


class Layout(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole seating of a screen, in layout order."""

    sections: tuple[Section, ...]
    stage: Stage | None = None
    accessible: tuple[Label, ...] = ()
    """Labels of the seats for wheelchair users."""
    companions: tuple[Label, ...] = ()
    """Labels of the seats for their companions."""
    restricted_view: tuple[Label, ...] = ()
    """Labels of the seats with a restricted view."""
    label: PatternText | None = None
    """Pattern of the labels in sections without one: `{row}{seat}` if left out."""

    def pattern_of(self, section: Section) -> LabelPattern:
        """The pattern of a section's labels. Raises ValueError for an invalid one, which no stored layout has."""
        text = self.label if section.label is None else section.label
        return DEFAULT_PATTERN if text is None else read_pattern(text)


def numbered(total_seats: int, price: Money) -> Layout:
    """The layout of a hall whose seats are `"1"` … `"N"`."""
    return Layout((Section("", price, (Row("", total_seats),)),))


_encoder = msgspec.json.Encoder()
decode_layout = msgspec.json.Decoder(Layout).decode


def encode_layout(layout: Layout) -> bytes:
    """The stored form of a layout. Its digest is taken over exactly these bytes."""
    return _encoder.encode(layout)


def layout_digest(body: bytes) -> str:
    """The identity of a layout's contents: SHA-256 in hex over its stored form."""
    return hashlib.sha256(body).hexdigest()
