"""The upcoming shows with their movies, read for all pages of the programme at once.

They are read again when a page is wanted and the catalogue has changed or DATA_AGE_S have passed. So a search costs no
query, and however many readers search, the database is asked twice a second.
"""

from __future__ import annotations

import msgspec

from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, CachedResponse, ReadResult, ResponseCache
from gateway.catalogue.shows import Shows, UpcomingShow
from schemas.api_catalogue import MovieBody

DATA_AGE_S = 0.5
MAX_SHOWS = 2_000
"""The next shows; later ones are on the pages of their movies."""

_KEY = "programme data"


class Programme(msgspec.Struct, frozen=True):
    """The next shows by their start, and their movies."""

    movies: list[MovieBody]
    shows: list[UpcomingShow]


class ProgrammeData:
    """Reads the programme, and keeps the one that was read last."""

    def __init__(self, response_cache: ResponseCache, movies: Movies, shows: Shows) -> None:
        self._response_cache = response_cache
        self._movies = movies
        self._shows = shows
        self._etag = b""
        self._programme = Programme([], [])

    async def get(self) -> Programme:
        """The programme, at most DATA_AGE_S old. Raises what the database raises."""
        return self._decoded(await self._response_cache.get(_KEY, self._read))

    def _decoded(self, found: CachedResponse) -> Programme:
        if found.etag != self._etag:
            self._etag, self._programme = found.etag, _decode(found.body)
        return self._programme

    async def _read(self) -> ReadResult:
        shows = await self._shows.upcoming(MAX_SHOWS)
        movies = await self._movies.of_ids({show.movie_id for show in shows})
        # Seats are sold meanwhile, which does not change the catalogue.
        return ReadResult(
            msgspec.json.encode(Programme(sorted(movies, key=lambda movie: movie.id), shows)),
            DEPENDS_ON_CATALOGUE,
            DATA_AGE_S,
        )


_decode = msgspec.json.Decoder(Programme).decode
