"""Endpoint of the seat map of a show: sections and rows of the layout, and one letter per seat.

Responses come from the snapshot in memory, whose bodies, plain, gzip and Brotli, and entity tags are made once per
version.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway.http.encodings import accepted_encoding
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.snapshot import SeatMapSnapshot

_CACHING = ((b"cache-control", b"no-cache"), (b"vary", b"Accept-Encoding"))
_GZIP = (b"content-encoding", b"gzip")
_BROTLI = (b"content-encoding", b"br")


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
    headers = exchange.headers
    if_none_match = headers.get(b"if-none-match")
    if if_none_match is not None and (etag := _known(if_none_match, snapshot)) is not None:
        exchange.respond_cacheable(304, b"", ((b"etag", etag), *_CACHING))
        return
    accept_encoding = headers.get(b"accept-encoding")
    encoding = b"" if accept_encoding is None else accepted_encoding(accept_encoding)
    if encoding == b"br" and (body := snapshot.brotli_body()) is not None:
        exchange.respond_cacheable(200, body, ((b"etag", snapshot.brotli_etag), _BROTLI, *_CACHING))
        return
    if encoding == b"gzip" and (body := snapshot.gzip_body()) is not None:
        exchange.respond_cacheable(200, body, ((b"etag", snapshot.gzip_etag), _GZIP, *_CACHING))
        return
    exchange.respond_cacheable(200, snapshot.body(), ((b"etag", snapshot.etag), *_CACHING))


def _known(if_none_match: bytes, snapshot: SeatMapSnapshot) -> bytes | None:
    """The entity tag under which the client has this version, in whatever encoding."""
    for etag in (snapshot.etag, snapshot.brotli_etag, snapshot.gzip_etag):
        if not_modified(if_none_match, etag):
            return etag
    return None
