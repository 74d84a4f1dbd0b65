"""Layouts of shows for tests and measurements: a stadium of any size, a room of three seats."""

from __future__ import annotations

import math
from typing import Any

BLOCKS = 20
_ROWS = 50


def stadium(total_seats: int) -> dict[str, Any]:
    """Returns a layout of blocks around a field. `total_seats` is a multiple of 1,000."""
    each = total_seats // (BLOCKS * _ROWS)
    radius = BLOCKS * (each + 2) / math.tau
    prices = (9500, 7200, 4800)
    sections = [
        {
            "name": f"Block {block + 1:02}",
            "price": {"amount": prices[(block % BLOCKS) // 7], "currency": "EUR"},
            "label": f"{block + 1}-{{row}}-{{seat}}",
            "rows": [_row(block, row, each, radius + row * 1.2) for row in range(_ROWS)],
        }
        for block in range(BLOCKS)
    ]
    side = radius * 1.1
    stage = {"x": -side / 2, "y": -side / 3, "width": side, "height": side / 1.5, "label": "Field"}
    return {"sections": sections, "stage": {key: _rounded(value) for key, value in stage.items()}}


def room() -> dict[str, Any]:
    """Returns a layout of three seats at one price."""
    price = {"amount": 500, "currency": "EUR"}
    return {"sections": [{"name": "Room", "price": price, "rows": [{"name": "A", "seats": 3}]}]}


def rows(sections: dict[str, str], seats: int) -> dict[str, Any]:
    """Returns a layout of these sections, each with a row for each letter."""
    price = {"amount": 1200, "currency": "EUR"}
    return {
        "sections": [
            {"name": name, "price": price, "rows": [{"name": row, "seats": seats} for row in letters]}
            for name, letters in sections.items()
        ]
    }


def _row(block: int, row: int, seats: int, radius: float) -> dict[str, Any]:
    """A row on a circle around the field, which it faces."""
    middle = math.tau * block / BLOCKS
    half = (seats - 1) / 2 / radius
    return {
        "name": str(row + 1),
        "seats": seats,
        "x": _rounded(radius * math.sin(middle - half)),
        "y": _rounded(radius * math.cos(middle - half)),
        "angle": _rounded(-math.degrees(middle - half) % 360),
        "curve": _rounded(radius),
    }


def _rounded(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value
