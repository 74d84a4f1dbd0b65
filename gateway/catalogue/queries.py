"""Parsing of the query parameters of the catalogue's lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gateway.catalogue.days import read_day, read_day_or_instant
from gateway.catalogue.movies import MovieFilter
from gateway.catalogue.shows import ShowFilter
from gateway.http.bodies import invalid
from gateway.http.integers import read_integer
from gateway.http.pagination import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT
from gateway.http.problems import Problem
from gateway.http.query import read_query
from schemas.api_catalogue import MAX_SEARCH, MAX_WORD
from schemas.ids import MAX_SHOW_ID
from schemas.languages import folded_language

T = TypeVar("T")

_PAGE = ("limit", "cursor")
_MOVIES = ("search", "genre", "language", "on", *_PAGE)
_SHOWS_OF_MOVIE = ("from", "to", *_PAGE)
_SHOWS = ("movie", "available", *_SHOWS_OF_MOVIE)


class Page(NamedTuple):
    """Maximum number of items, and the cursor."""

    limit: int
    cursor: str | None


def movies_query(raw: bytes) -> tuple[MovieFilter, Page]:
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


def shows_query(raw: bytes) -> tuple[ShowFilter, Page]:
    """The query of GET /api/shows. Raises Problem `validation`."""
    fields = _Fields(raw, _SHOWS)
    return _shows(fields, fields.number("movie", MAX_SHOW_ID)), fields.page()


def shows_of_movie_query(raw: bytes, movie_id: int) -> tuple[ShowFilter, Page]:
    """The query of GET /api/movies/{id}/shows. Raises Problem `validation`."""
    fields = _Fields(raw, _SHOWS_OF_MOVIE)
    return _shows(fields, movie_id), fields.page()


def _shows(fields: _Fields, movie_id: int | None) -> ShowFilter:
    from_day, from_at = fields.read("from", read_day_or_instant) or (None, None)
    to_day, to_at = fields.read("to", read_day_or_instant) or (None, None)
    return ShowFilter(movie_id, from_day, from_at, to_day, to_at, fields.flag("available"))


class _Fields:
    """Parser of a query string. It collects errors; `page`, called last, raises them."""

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
        number = read_integer(value, largest)
        if number is None:
            self._errors.append((name, f"must be a whole number from 1 to {largest}"))
        return number

    def flag(self, name: str) -> bool | None:
        value = self._given.get(name)
        if value not in (None, "true", "false"):
            self._errors.append((name, "must be true or false"))
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
