"""Endpoint of the seat map of a show: sections and rows of the layout, and one letter per seat.

Responses come from the snapshot in memory, whose body and entity tag are encoded once per version.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.snapshot import SeatMapSnapshot

_REVALIDATE = (b"cache-control", b"no-cache")


class SeatMapRoutes:
    """GET /api/shows/{id}/seats"""

    def __init__(self, seat_maps: SeatMapCache) -> None:
        self._seat_maps = seat_maps

    def seats(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """Responds with the seat map, or 304 when the client has this version."""
        exchange.parameters()
        snapshot = self._seat_maps.get_if_valid(show_id)
        if snapshot is None:
            return self._read_and_respond(exchange, show_id)
        _respond(exchange, snapshot)
        return None

    async def _read_and_respond(self, exchange: Exchange, show_id: int) -> None:
        _respond(exchange, await self._seat_maps.get(show_id))


def _respond(exchange: Exchange, snapshot: SeatMapSnapshot) -> None:
    headers = [(b"etag", snapshot.etag), _REVALIDATE]
    if not_modified(exchange.headers.get(b"if-none-match"), snapshot.etag):
        exchange.respond_cacheable(304, b"", headers)
    else:
        exchange.respond_cacheable(200, snapshot.body(), headers)
