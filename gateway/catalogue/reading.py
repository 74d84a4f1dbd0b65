"""Read endpoints of the catalogue: cached responses with entity tags, on the fast path.

The cache key is the raw request, so a cached response needs no parsing.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec

from gateway.catalogue.movies import Movies, movie_not_found
from gateway.catalogue.queries import movies_query, shows_of_movie_query, shows_query
from gateway.catalogue.response_cache import (
    DEPENDS_ON_ALL_SHOWS,
    DEPENDS_ON_CATALOGUE,
    CachedResponse,
    Key,
    Read,
    ReadResult,
    ResponseCache,
)
from gateway.catalogue.shows import Shows, show_not_found
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.http.integers import read_integer
from schemas.ids import MAX_SHOW_ID

_CACHE = (b"cache-control", b"public, no-cache")
"""Clients may cache a response, but revalidate it each time."""

Continuation = Coroutine[Any, Any, None]
"""The rest of a request that has to wait for a read."""


class CatalogueRoutes:
    """Public read endpoints. Each handler takes the exchange and the parameter of its path."""

    def __init__(self, response_cache: ResponseCache, movies: Movies, shows: Shows) -> None:
        self._response_cache = response_cache
        self._movies = movies
        self._shows = shows

    def movies(self, exchange: Exchange) -> Continuation | None:
        """GET /api/movies"""
        return self._respond(exchange, ("movies", exchange.query), partial(self._read_movies, exchange.query))

    def movie(self, exchange: Exchange, number: str) -> Continuation | None:
        """GET /api/movies/{id}"""
        if (movie_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise movie_not_found()
        exchange.parameters()
        return self._respond(exchange, ("movie", movie_id), partial(self._read_movie, movie_id))

    def shows(self, exchange: Exchange) -> Continuation | None:
        """GET /api/shows"""
        return self._respond(exchange, ("shows", exchange.query), partial(self._read_shows, exchange.query))

    def shows_of_movie(self, exchange: Exchange, number: str) -> Continuation | None:
        """GET /api/movies/{id}/shows"""
        if (movie_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise movie_not_found()
        key = ("shows of movie", movie_id, exchange.query)
        return self._respond(exchange, key, partial(self._read_shows_of_movie, exchange.query, movie_id))

    def show(self, exchange: Exchange, number: str) -> Continuation | None:
        """GET /api/shows/{id}"""
        if (show_id := read_integer(number, MAX_SHOW_ID, max_digits=10)) is None:
            raise show_not_found()
        exchange.parameters()
        return self._respond(exchange, ("show", show_id), partial(self._read_show, show_id), show_id)

    def _respond(self, exchange: Exchange, key: Key, read: Read, show_id: int = 0) -> Continuation | None:
        known = self._response_cache.get_fresh(key)
        if known is None:
            return self._read_and_respond(exchange, key, read, show_id)
        _send(exchange, known)
        return None

    async def _read_and_respond(self, exchange: Exchange, key: Key, read: Read, show_id: int) -> None:
        _send(exchange, await self._response_cache.get(key, read, show_id))

    async def _read_movies(self, raw: bytes) -> ReadResult:
        criteria, page = movies_query(raw)
        body = msgspec.json.encode(await self._movies.page(criteria, *page))
        # The movies of a day depend on which of its shows are cancelled.
        return ReadResult(body, DEPENDS_ON_CATALOGUE if criteria.on is None else DEPENDS_ON_ALL_SHOWS)

    async def _read_movie(self, movie_id: int) -> ReadResult:
        return ReadResult(msgspec.json.encode(await self._movies.get(movie_id)), DEPENDS_ON_CATALOGUE)

    async def _read_shows(self, raw: bytes) -> ReadResult:
        criteria, page = shows_query(raw)
        found = await self._shows.cacheable_page(criteria, *page)
        return ReadResult(msgspec.json.encode(found.page), DEPENDS_ON_ALL_SHOWS, found.max_age_s)

    async def _read_shows_of_movie(self, raw: bytes, movie_id: int) -> ReadResult:
        criteria, page = shows_of_movie_query(raw, movie_id)
        found = await self._shows.cacheable_page_of_movie(criteria, *page)
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
