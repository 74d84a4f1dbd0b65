"""Reading the catalogue: movies and shows out of memory, with entity tags, in front of the framework.

The key of an answer is the call as it came, so that one that is known is not even taken apart.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec

from gateway.catalogue.movies import Movies, no_movie
from gateway.catalogue.queries import movies_wanted, shows_of_movie_wanted, shows_wanted
from gateway.catalogue.response_cache import (
    DEPENDS_ON_ALL_SHOWS,
    DEPENDS_ON_CATALOGUE,
    CachedResponse,
    Key,
    Read,
    ReadResult,
    ResponseCache,
)
from gateway.catalogue.shows import Shows, no_show
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.http.integers import read_integer
from schemas.ids import MAX_SHOW_ID

_CACHE = (b"cache-control", b"public, no-cache")
"""Whoever keeps an answer asks whether it still holds, each time."""

Rest = Coroutine[Any, Any, None]
"""To be awaited until there is an answer."""


class CatalogueRoutes:
    """What anybody may see of the catalogue; each handler takes the exchange and what its path names."""

    def __init__(self, response_cache: ResponseCache, movies: Movies, shows: Shows) -> None:
        self._response_cache = response_cache
        self._movies = movies
        self._shows = shows

    def movies(self, exchange: Exchange) -> Rest | None:
        """GET /api/movies"""
        return self._respond(exchange, ("movies", exchange.query), partial(self._read_movies, exchange.query))

    def movie(self, exchange: Exchange, number: str) -> Rest | None:
        """GET /api/movies/{id}"""
        if (movie_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise no_movie()
        exchange.parameters()
        return self._respond(exchange, ("movie", movie_id), partial(self._read_movie, movie_id))

    def shows(self, exchange: Exchange) -> Rest | None:
        """GET /api/shows"""
        return self._respond(exchange, ("shows", exchange.query), partial(self._read_shows, exchange.query))

    def shows_of_movie(self, exchange: Exchange, number: str) -> Rest | None:
        """GET /api/movies/{id}/shows"""
        if (movie_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise no_movie()
        key = ("shows of movie", movie_id, exchange.query)
        return self._respond(exchange, key, partial(self._read_shows_of_movie, exchange.query, movie_id))

    def show(self, exchange: Exchange, number: str) -> Rest | None:
        """GET /api/shows/{id}"""
        if (show_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise no_show()
        exchange.parameters()
        return self._respond(exchange, ("show", show_id), partial(self._read_show, show_id), show_id)

    def _respond(self, exchange: Exchange, key: Key, read: Read, show_id: int = 0) -> Rest | None:
        known = self._response_cache.get_fresh(key)
        if known is None:
            return self._read_and_respond(exchange, key, read, show_id)
        _send(exchange, known)
        return None

    async def _read_and_respond(self, exchange: Exchange, key: Key, read: Read, show_id: int) -> None:
        _send(exchange, await self._response_cache.get(key, read, show_id))

    async def _read_movies(self, raw: bytes) -> ReadResult:
        wanted, page = movies_wanted(raw)
        body = msgspec.json.encode(await self._movies.page(wanted, *page))
        # Whether a movie is shown on a day depends on shows that are called off.
        return ReadResult(body, DEPENDS_ON_CATALOGUE if wanted.on is None else DEPENDS_ON_ALL_SHOWS)

    async def _read_movie(self, movie_id: int) -> ReadResult:
        return ReadResult(msgspec.json.encode(await self._movies.get(movie_id)), DEPENDS_ON_CATALOGUE)

    async def _read_shows(self, raw: bytes) -> ReadResult:
        wanted, page = shows_wanted(raw)
        found = await self._shows.cacheable_page(wanted, *page)
        return ReadResult(msgspec.json.encode(found.page), DEPENDS_ON_ALL_SHOWS, found.max_age_s)

    async def _read_shows_of_movie(self, raw: bytes, movie_id: int) -> ReadResult:
        wanted, page = shows_of_movie_wanted(raw, movie_id)
        found = await self._shows.cacheable_page_of_movie(wanted, *page)
        return ReadResult(msgspec.json.encode(found.page), DEPENDS_ON_ALL_SHOWS, found.max_age_s)

    async def _read_show(self, show_id: int) -> ReadResult:
        found = await self._shows.cacheable(show_id)
        return ReadResult(msgspec.json.encode(found.body), found.partition, found.max_age_s)


def _send(exchange: Exchange, answer: CachedResponse) -> None:
    headers = [(b"etag", answer.etag), _CACHE]
    if not_modified(exchange.headers.get(b"if-none-match"), answer.etag):
        exchange.respond_cacheable(304, b"", headers)
    else:
        exchange.respond_cacheable(200, answer.body, headers)
