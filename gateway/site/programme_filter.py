"""The filter of the programme, as its address says. Pure.

An address may come from anywhere: what is unknown or makes no sense in it is ignored, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.catalogue.shows import UpcomingShow
from gateway.http.integers import read_integer
from gateway.site.days import day_of, day_range
from gateway.site.folding import folded, matches, search_words
from schemas.api_catalogue import MAX_SEARCH, MAX_WORD, MovieBody
from schemas.languages import folded_language

MAX_PAGE = 1000
_MAX_QUERY = 2048
_MAX_FIELDS = 50
_CACHED_DAYS = 14


class ProgrammeFilter(msgspec.Struct, frozen=True):
    """Filter of the programme; an empty field leaves a criterion out."""

    search: str = ""
    day: str = ""
    """`today`, `tomorrow`, `week` or a date."""
    genre: str = ""
    language: str = ""
    available: bool = False
    """Only shows with seats left."""
    page: int = 1

    @property
    def is_given(self) -> bool:
        """Whether anything is left out of the programme by it."""
        return bool(self.search or self.day or self.genre or self.language or self.available)

    def is_common(self, today: date) -> bool:
        """Whether many readers ask for the same: everything, or one of the coming days. There are few of these."""
        if self.search or self.genre or self.language or self.available or self.page != 1:
            return False
        days = day_range(self.day, today)
        return days is None or today <= days.first <= today + timedelta(days=_CACHED_DAYS)

    def address(self, **changes: object) -> str:
        """The address of the programme with this filter, changed; on its first page unless another is given."""
        changed = msgspec.structs.replace(self, **({"page": 1} | changes))
        return f"/?{query}" if (query := urlencode([*_fields(changed)])) else "/"

    def movies(self, movies: Iterable[MovieBody]) -> dict[int, MovieBody]:
        """The movies that match search, genre and language, regardless of case and accents, by their ids."""
        words, genre = search_words(self.search), folded(self.genre)
        return {
            movie.id: movie
            for movie in movies
            if (not words or matches(words, movie.title))
            and (not genre or genre in map(folded, movie.genres))
            and (not self.language or _same_language(self.language, movie.language))
        }

    def shows(self, shows: Iterable[UpcomingShow], today: date) -> Iterator[UpcomingShow]:
        """The shows that match day and seats left."""
        days = day_range(self.day, today)
        for show in shows:
            if (show.has_seats or not self.available) and (days is None or day_of(show) in days):
                yield show


EVERYTHING = ProgrammeFilter()


def read_filter(query: bytes) -> ProgrammeFilter:
    """The filter that a query names. Reads what it can."""
    if not query or len(query) > _MAX_QUERY:
        return EVERYTHING
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), errors="replace", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return EVERYTHING
    given: dict[str, str] = {}
    for name, value in pairs:
        given.setdefault(name, " ".join(value.replace("\0", " ").split()))
    day = given.get("day", "")
    return ProgrammeFilter(
        search=given.get("search", "")[:MAX_SEARCH],
        day=day if day_range(day, date.min + timedelta(days=1)) is not None else "",
        genre=given.get("genre", "")[:MAX_WORD],
        language=given.get("language", "")[:MAX_WORD],
        available=given.get("available") in ("1", "true", "on"),
        page=read_integer(given.get("page", ""), MAX_PAGE) or 1,
    )


def _fields(wanted: ProgrammeFilter) -> Iterator[tuple[str, str]]:
    for name in ("search", "day", "genre", "language"):
        if value := getattr(wanted, name):
            yield name, value
    if wanted.available:
        yield "available", "1"
    if wanted.page > 1:
        yield "page", str(wanted.page)


def _same_language(wanted: str, given: str) -> bool:
    return folded(folded_language(wanted)) == folded(given).replace("_", "-")
