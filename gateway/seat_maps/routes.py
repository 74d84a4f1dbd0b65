"""The seat map of a show: sections and rows as the layout has them, and one letter per seat.

Answered from the gateway's picture of the show, whose body and tag are written out once per version.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway.http.etags import has
from gateway.http.exchange import Exchange
from gateway.seat_maps.cache import SeatPictures
from gateway.seat_maps.snapshot import Picture

_TO_BE_ASKED_AGAIN = (b"cache-control", b"no-cache")


class SeatMapRoutes:
    """GET /api/shows/{id}/seats"""

    def __init__(self, pictures: SeatPictures) -> None:
        self._pictures = pictures

    def seats(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """Answers the map, or 304 when the client has it already."""
        exchange.parameters()
        picture = self._pictures.good(show_id)
        if picture is None:
            return self._seats_soon(exchange, show_id)
        _tell(exchange, picture)
        return None

    async def _seats_soon(self, exchange: Exchange, show_id: int) -> None:
        _tell(exchange, await self._pictures.current(show_id))


def _tell(exchange: Exchange, picture: Picture) -> None:
    headers = [(b"etag", picture.etag), _TO_BE_ASKED_AGAIN]
    if has(exchange.headers.get(b"if-none-match"), picture.etag):
        exchange.answer_kept(304, b"", headers)
    else:
        exchange.answer_kept(200, picture.body(), headers)
