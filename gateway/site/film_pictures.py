"""Generated pictures of films, under addresses with a hash of what they show.

`/posters/{movie id}-{hash}.svg` and `/previews/{movie id}-{hash}.png`. One is drawn once until the catalogue changes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, CachedResponse, ReadResult, ResponseCache
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange, Header
from gateway.site.posters import poster_mark, poster_svg
from gateway.site.previews import preview_mark, preview_png
from gateway.site.rendering import RenderedPage
from gateway.site.responses import encoded_body
from schemas.api_catalogue import MovieBody
from schemas.ids import MAX_SHOW_ID

_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_REVALIDATE = (b"cache-control", b"no-cache")
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"vary", b"Accept-Encoding"),
)


class PictureName(NamedTuple):
    """The last part of a picture's address."""

    movie_id: int
    mark: bytes


class _Kind(NamedTuple):
    """A kind of pictures. `mark`: the hash of what a movie's picture shows."""

    name: str
    media_type: bytes
    mark: Callable[[MovieBody], str]
    draw: Callable[[MovieBody], Awaitable[bytes]]
    compressible: bool


class FilmPicture:
    """Serves the pictures of one kind."""

    def __init__(self, response_cache: ResponseCache, movies: Movies, kind: _Kind) -> None:
        self._response_cache = response_cache
        self._movies = movies
        self._kind = kind

    def __call__(self, exchange: Exchange, **name: PictureName) -> Coroutine[Any, Any, None] | None:
        """Responds with the movie's picture of today. Raises Problem `not_found`."""
        (wanted,) = name.values()
        known = self._response_cache.get_fresh((self._kind.name, wanted.movie_id))
        if known is None:
            return self._read_and_respond(exchange, wanted)
        self._respond(exchange, wanted, known)
        return None

    async def _read_and_respond(self, exchange: Exchange, wanted: PictureName) -> None:
        key, read = (self._kind.name, wanted.movie_id), partial(self._read, wanted.movie_id)
        self._respond(exchange, wanted, await self._response_cache.get(key, read))

    async def _read(self, movie_id: int) -> ReadResult:
        movie = await self._movies.get(movie_id)
        # The mark stands in front of the picture in the cache, to be compared with that of the address.
        body = self._kind.mark(movie).encode() + await self._kind.draw(movie)
        return ReadResult(body, DEPENDS_ON_CATALOGUE)

    def _respond(self, exchange: Exchange, wanted: PictureName, found: CachedResponse) -> None:
        # Under an outdated address it is not stored.
        is_current = found.body.startswith(wanted.mark)
        headers = [(b"etag", b"W/" + found.etag), _FOREVER if is_current else _REVALIDATE, *_HEADERS]
        if not_modified(exchange.headers.get(b"if-none-match"), found.etag):
            exchange.respond_cacheable(304, b"", headers)
            return
        body = found.body[len(wanted.mark) :]
        encoding: list[Header] = []
        if self._kind.compressible:
            body, encoding = encoded_body(exchange, RenderedPage(body, found.etag))
        exchange.respond_cacheable(200, body, [*headers, *encoding], self._kind.media_type)


def posters(response_cache: ResponseCache, movies: Movies) -> FilmPicture:
    """GET /posters/{poster}"""

    async def draw(movie: MovieBody) -> bytes:
        return poster_svg(movie)

    return FilmPicture(
        response_cache, movies, _Kind("poster", b"image/svg+xml", poster_mark, draw, compressible=True)
    )


def previews(response_cache: ResponseCache, movies: Movies) -> FilmPicture:
    """GET /previews/{preview}"""
    drawing = asyncio.Lock()

    async def draw(movie: MovieBody) -> bytes:
        async with drawing:  # one at a time, so that bookings do not wait for it
            return await asyncio.to_thread(preview_png, movie)

    return FilmPicture(
        response_cache, movies, _Kind("preview", b"image/png", preview_mark, draw, compressible=False)
    )


def picture_name(ending: str) -> Callable[[str], PictureName | None]:
    """A reader of the last part of an address; None for anything else."""
    pattern = re.compile(rf"([1-9]\d{{0,9}})-([0-9a-f]{{12}})\.{ending}\Z", re.ASCII)

    def read(text: str) -> PictureName | None:
        found = pattern.match(text)
        if found is None or int(found[1]) > MAX_SHOW_ID:
            return None
        return PictureName(int(found[1]), found[2].encode())

    return read
