"""The seat map of a show: sections and rows as the layout has them, and one letter per seat. Plain ASGI.

Answered from the gateway's picture of the show, whose body and tag are written out once per version.
"""

from __future__ import annotations

from gateway.etags import has
from gateway.http import Exchange
from gateway.seat_pictures import SeatPictures

_TO_BE_ASKED_AGAIN = (b"cache-control", b"no-cache")
_JSON = (b"content-type", b"application/json")


class SeatMapRoutes:
    """GET /api/shows/{id}/seats"""

    def __init__(self, pictures: SeatPictures) -> None:
        self._pictures = pictures

    async def seats(self, exchange: Exchange, show_id: int) -> None:
        """Answers the map, or 304 when the client has it already."""
        if exchange.query:
            exchange.parameters()
        picture = self._pictures.good(show_id) or await self._pictures.current(show_id)
        headers = [(b"etag", picture.etag), _TO_BE_ASKED_AGAIN, (b"x-request-id", exchange.request_id)]
        if has(exchange.headers.get(b"if-none-match"), picture.etag):
            status, body = 304, b""
        else:
            status, body = 200, picture.body()
            headers += [_JSON, (b"content-length", b"%d" % len(body))]
        await exchange.send({"type": "http.response.start", "status": status, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": body})
