"""Layouts in the form that seat maps need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.seat_maps.compression import compress_head
from schemas.layout import Layout, Row, decode_layout
from schemas.seat_labels import LabelPattern
from schemas.seating import Seating

_OPTIONAL = ("x", "y", "angle", "curve", "pitch")


class EncodedLayout:
    """The seats of a layout, and its JSON in seat maps, encoded once."""

    __slots__ = ("__weakref__", "compressed_head", "head", "seating")

    def __init__(self, body: bytes) -> None:
        """`body` is the stored form of the layout."""
        layout = decode_layout(body)
        self.seating = Seating(layout)
        """Label ↔ index."""
        sections = msgspec.json.encode(list(_sections(layout)))
        self.head = b"".join((b'{"sections":', sections, _extras(self.seating)))
        """The beginning of the JSON of a seat map: the fields that do not change, without a comma after the last."""
        self.compressed_head = compress_head(self.head, len(self.seating))
        """The same compressed; None where compression is of no use."""


def _extras(seating: Seating) -> bytes:
    """The fields `stage` and `kinds`, each after a comma; nothing for a layout without them."""
    extras = b""
    if seating.layout.stage is not None:
        extras += b',"stage":' + msgspec.json.encode(seating.layout.stage)
    if seating.kinds is not None:
        extras += b',"kinds":"' + seating.kinds + b'"'
    return extras


def _sections(layout: Layout) -> Iterable[dict[str, Any]]:
    for section in layout.sections:
        pattern = layout.pattern_of(section)
        given = {"name": section.name, "price": section.price}
        level = {} if section.level is None else {"level": section.level}
        yield given | level | {"rows": [_row(row, pattern) for row in section.rows]}


def _row(row: Row, pattern: LabelPattern) -> dict[str, Any]:
    shown = {"name": row.name, "seats": row.labels(pattern), "aisles_after": row.aisles_after}
    for field in _OPTIONAL:
        value = getattr(row, field)
        if value is not None:
            shown[field] = value
    if row.prices:
        shown["prices"] = row.prices
    return shown
