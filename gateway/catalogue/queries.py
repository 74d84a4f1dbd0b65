"""The queries of the catalogue's lists: which movies, which shows, which page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gateway.bodies import invalid
from gateway.catalogue.days import read_day, read_day_or_instant
from gateway.catalogue.movies import MovieFilter
from gateway.catalogue.shows import ShowFilter
from gateway.pages import DEFAULT_LIMIT, MAX_LIMIT
from gateway.problems import Problem
from gateway.queries import read_query
from schemas.ids import MAX_SHOW_ID
from schemas.languages import folded_language

T = TypeVar("T")

MAX_SEARCH = 100
MAX_WORD = 40
MAX_CURSOR = 2000

_PAGE = ("limit", "cursor")
_MOVIES = ("search", "genre", "language", "on", *_PAGE)
_SHOWS_OF_MOVIE = ("from", "to", *_PAGE)
_SHOWS = ("movie", "available", *_SHOWS_OF_MOVIE)


class Page(NamedTuple):
    """How many to list at most, and after what."""

    limit: int
    cursor: str | None


def movies_wanted(raw: bytes) -> tuple[MovieFilter, Page]:
    """The query of GET /api/movies. Raises Problem `validation`."""
    fields = _Fields(raw, _MOVIES)
    language = fields.text("language", MAX_WORD)
    wanted = MovieFilter(
        search=fields.text("search", MAX_SEARCH),
        genre=fields.text("genre", MAX_WORD),
        language=None if language is None else folded_language(language),
        on=fields.read("on", read_day),
    )
    return wanted, fields.page()


def shows_wanted(raw: bytes) -> tuple[ShowFilter, Page]:
    """The query of GET /api/shows. Raises Problem `validation`."""
    fields = _Fields(raw, _SHOWS)
    return _shows(fields, fields.number("movie", MAX_SHOW_ID)), fields.page()


def shows_of_movie_wanted(raw: bytes, movie_id: int) -> tuple[ShowFilter, Page]:
    """The query of GET /api/movies/{id}/shows. Raises Problem `validation`."""
    fields = _Fields(raw, _SHOWS_OF_MOVIE)
    return _shows(fields, movie_id), fields.page()


def _shows(fields: _Fields, movie_id: int | None) -> ShowFilter:
    from_day, from_at = fields.read("from", read_day_or_instant) or (None, None)
    to_day, to_at = fields.read("to", read_day_or_instant) or (None, None)
    return ShowFilter(movie_id, from_day, from_at, to_day, to_at, fields.flag("available"))


class _Fields:
    """A query being read; `page`, which is read last, raises what was found wrong on the way."""

    def __init__(self, raw: bytes, known: tuple[str, ...]) -> None:
        self._given = read_query(raw, known) if raw else {}
        self._errors: list[tuple[str, str]] = []

    def text(self, name: str, longest: int) -> str | None:
        value = self._given.get(name)
        if value is not None and len(value) > longest:
            self._errors.append((name, f"at most {longest} characters"))
        return value

    def number(self, name: str, largest: int) -> int | None:
        value = self._given.get(name)
        if value is None:
            return None
        if value.isascii() and value.isdigit() and len(value) <= 16 and 1 <= int(value) <= largest:
            return int(value)
        self._errors.append((name, f"a whole number from 1 to {largest} is wanted"))
        return None

    def flag(self, name: str) -> bool | None:
        value = self._given.get(name)
        if value not in (None, "true", "false"):
            self._errors.append((name, "true or false is wanted"))
        return None if value is None else value == "true"

    def read(self, name: str, reader: Callable[[str, str], T]) -> T | None:
        value = self._given.get(name)
        if value is None:
            return None
        try:
            return reader(name, value)
        except Problem as problem:
            self._errors += problem.errors
            return None

    def page(self) -> Page:
        limit = self.number("limit", MAX_LIMIT)
        cursor = self.text("cursor", MAX_CURSOR)
        if self._errors:
            raise invalid(*self._errors)
        return Page(DEFAULT_LIMIT if limit is None else limit, cursor)
