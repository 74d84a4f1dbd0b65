"""Layouts in the form that seat maps need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.layout import Layout, Row, Seating, decode_layout


class EncodedLayout:
    """The seats of a layout, and the JSON of its sections and rows, encoded once."""

    __slots__ = ("__weakref__", "seating", "sections")

    def __init__(self, body: bytes) -> None:
        """`body` is the stored form of the layout."""
        layout = decode_layout(body)
        self.seating = Seating(layout)
        """Label ↔ index."""
        self.sections = msgspec.json.encode(list(_sections(layout)))
        """The JSON of the list of sections of a seat map."""


def _sections(layout: Layout) -> Iterable[dict[str, Any]]:
    for section in layout.sections:
        yield {"name": section.name, "price": section.price, "rows": [_row(row) for row in section.rows]}


def _row(row: Row) -> dict[str, Any]:
    return {"name": row.name, "seats": row.labels(), "aisles_after": row.aisles_after}
