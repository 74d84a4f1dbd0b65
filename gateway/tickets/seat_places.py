"""Where the seats of a booking are, without a list of all the seats of the house."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from typing import Any

from schemas.layout import Seating, decode_layout
from tickets.places import SeatPlace

LAYOUTS_KEPT = 16

_LAYOUT_SQL = "SELECT body FROM layouts WHERE layout_id = $1"


class SeatPlaces:
    """A layout made ready to look places up."""

    def __init__(self, body: bytes) -> None:
        layout = decode_layout(body)
        self._seating = Seating(layout)
        self._ends = [row.end for row in self._seating.rows]
        self._rows = [
            SeatPlace(section.name, row.name, section.price)
            for section in layout.sections
            for row in section.rows
        ]

    def place(self, label: str) -> SeatPlace:
        """Where a seat is. Raises KeyError when there is no such seat."""
        return self._rows[bisect_right(self._ends, self._seating.index(label))]


class SeatPlacesCache:
    """Layouts by number; those that were used last are kept. A layout never changes."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._known: OrderedDict[int, SeatPlaces] = OrderedDict()

    async def get(self, layout_id: int) -> SeatPlaces:
        """A layout that a show has."""
        plan = self._known.get(layout_id)
        if plan is None:
            body = await self._pool.fetchval(_LAYOUT_SQL, layout_id)
            # A large house takes tens of milliseconds, for which others would have to wait.
            plan = self._known[layout_id] = await asyncio.to_thread(SeatPlaces, body)
        self._known.move_to_end(layout_id)
        while len(self._known) > LAYOUTS_KEPT:
            self._known.popitem(last=False)
        return plan
