"""The place of a seat: section, row and price, as tickets and e-mails print them."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from schemas.layout import Layout, Money
from schemas.seating import Seating

LAYOUTS_KEPT = 16


class SeatPlace(NamedTuple):
    """The section, row and price of a seat; `seat` is its index in the layout.

    Names are empty where the layout has none.
    """

    section: str
    row: str
    price: Money
    seat: int


class SeatPlaces:
    """The places of a layout's seats. Holds an entry for each row, not for each seat."""

    def __init__(self, layout: Layout) -> None:
        self._seating = Seating(layout)
        self._row_ends = [row.end for row in self._seating.rows]
        self._rows = [
            (section.name, row.name, section.price) for section in layout.sections for row in section.rows
        ]

    def __getitem__(self, label: str) -> SeatPlace:
        """The place of one seat. Raises KeyError for a label that the layout does not have."""
        seat = self._seating.index(label)
        section, row, price = self._rows[bisect_right(self._row_ends, seat)]
        if self._seating.has_seat_prices:
            price = Money(self._seating.price_of(seat), price.currency)
        return SeatPlace(section, row, price, seat)

    def of(self, labels: Iterable[str]) -> dict[str, SeatPlace]:
        """The places of these seats; labels that the layout does not have are left out."""
        found = {}
        for label in labels:
            try:
                found[label] = self[label]
            except KeyError:
                continue
        return found


class PlacesCache:
    """The places of the layouts used last. A layout never changes, so no entry expires."""

    def __init__(self, read: Callable[[int], Awaitable[SeatPlaces]]) -> None:
        self._read = read
        self._known: OrderedDict[int, SeatPlaces] = OrderedDict()

    async def get(self, layout_id: int) -> SeatPlaces:
        """The places of a stored layout. Raises what `read` raises."""
        if (places := self._known.get(layout_id)) is None:
            places = self._known[layout_id] = await self._read(layout_id)
        self._known.move_to_end(layout_id)
        while len(self._known) > LAYOUTS_KEPT:
            self._known.popitem(last=False)
        return places
