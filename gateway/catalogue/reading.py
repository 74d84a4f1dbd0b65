"""Reading the catalogue: movies and shows out of memory, with entity tags. Plain ASGI, in front of the framework.

The key of an answer is the call as it came, so that one that is known is not even taken apart.
"""

from __future__ import annotations

import msgspec

from gateway.accepting import check_accept
from gateway.catalogue.memory import ON_EVERYTHING, ON_MOVIES, Answer, CatalogueMemory, Found
from gateway.catalogue.movies import Movies, no_movie
from gateway.catalogue.queries import movies_wanted, shows_of_movie_wanted, shows_wanted
from gateway.catalogue.shows import Shows, no_show
from gateway.etags import has
from gateway.http import Exchange
from schemas.ids import MAX_SHOW_ID

_JSON = "application/json"
_CACHE = (b"cache-control", b"public, no-cache")
"""Whoever keeps an answer asks whether it still holds, each time."""


class CatalogueRoutes:
    """What anybody may see of the catalogue; each handler takes the exchange and what its path names."""

    def __init__(self, memory: CatalogueMemory, movies: Movies, shows: Shows) -> None:
        self._memory = memory
        self._movies = movies
        self._shows = shows

    async def movies(self, exchange: Exchange) -> None:
        """GET /api/movies"""
        check_accept(_accept(exchange), _JSON)
        raw = exchange.query

        async def read() -> Found:
            wanted, page = movies_wanted(raw)
            body = msgspec.json.encode(await self._movies.page(wanted, *page))
            # Whether a movie is shown on a day depends on shows that are called off.
            return Found(body, ON_MOVIES if wanted.on is None else ON_EVERYTHING)

        await _tell(exchange, await self._memory.answer(("movies", raw), read))

    async def movie(self, exchange: Exchange, number: str) -> None:
        """GET /api/movies/{id}"""
        if (movie_id := _number(number)) is None:
            raise no_movie()
        _without_query(exchange)

        async def read() -> Found:
            return Found(msgspec.json.encode(await self._movies.get(movie_id)), ON_MOVIES)

        await _tell(exchange, await self._memory.answer(("movie", movie_id), read))

    async def shows(self, exchange: Exchange) -> None:
        """GET /api/shows"""
        check_accept(_accept(exchange), _JSON)
        raw = exchange.query

        async def read() -> Found:
            wanted, page = shows_wanted(raw)
            seen = await self._shows.see_page(wanted, *page)
            return Found(msgspec.json.encode(seen.page), ON_EVERYTHING, seen.lasts_s)

        await _tell(exchange, await self._memory.answer(("shows", raw), read))

    async def shows_of_movie(self, exchange: Exchange, number: str) -> None:
        """GET /api/movies/{id}/shows"""
        if (movie_id := _number(number)) is None:
            raise no_movie()
        check_accept(_accept(exchange), _JSON)
        raw = exchange.query

        async def read() -> Found:
            wanted, page = shows_of_movie_wanted(raw, movie_id)
            seen = await self._shows.see_page_of_movie(wanted, *page)
            return Found(msgspec.json.encode(seen.page), ON_EVERYTHING, seen.lasts_s)

        await _tell(exchange, await self._memory.answer(("shows of movie", movie_id, raw), read))

    async def show(self, exchange: Exchange, number: str) -> None:
        """GET /api/shows/{id}"""
        if (show_id := _number(number)) is None:
            raise no_show()
        _without_query(exchange)

        async def read() -> Found:
            seen = await self._shows.see(show_id)
            return Found(msgspec.json.encode(seen.body), seen.partition, seen.lasts_s)

        await _tell(exchange, await self._memory.answer(("show", show_id), read, show_id))


async def _tell(exchange: Exchange, answer: Answer) -> None:
    headers = [(b"etag", answer.etag), _CACHE, (b"x-request-id", exchange.request_id)]
    if has(exchange.headers.get(b"if-none-match"), answer.etag):
        status, body = 304, b""
    else:
        status, body = 200, answer.body
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await exchange.send({"type": "http.response.start", "status": status, "headers": headers})
    await exchange.send({"type": "http.response.body", "body": body})


def _accept(exchange: Exchange) -> str:
    return exchange.headers.get(b"accept", b"").decode("latin-1")


def _without_query(exchange: Exchange) -> None:
    check_accept(_accept(exchange), _JSON)
    exchange.parameters()


def _number(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_SHOW_ID:
        return int(text)
    return None
