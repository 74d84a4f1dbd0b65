"""The seat map of a show: sections and rows as the layout has them, and one letter per seat.

Answered from the gateway's picture of the show, whose body and tag are written out once per version.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.snapshot import SeatMapSnapshot

_TO_BE_ASKED_AGAIN = (b"cache-control", b"no-cache")


class SeatMapRoutes:
    """GET /api/shows/{id}/seats"""

    def __init__(self, seat_maps: SeatMapCache) -> None:
        self._seat_maps = seat_maps

    def seats(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """Answers the map, or 304 when the client has it already."""
        exchange.parameters()
        snapshot = self._seat_maps.get_if_valid(show_id)
        if snapshot is None:
            return self._seats_soon(exchange, show_id)
        _tell(exchange, snapshot)
        return None

    async def _seats_soon(self, exchange: Exchange, show_id: int) -> None:
        _tell(exchange, await self._seat_maps.get(show_id))


def _tell(exchange: Exchange, snapshot: SeatMapSnapshot) -> None:
    headers = [(b"etag", snapshot.etag), _TO_BE_ASKED_AGAIN]
    if not_modified(exchange.headers.get(b"if-none-match"), snapshot.etag):
        exchange.respond_cacheable(304, b"", headers)
    else:
        exchange.respond_cacheable(200, snapshot.body(), headers)
