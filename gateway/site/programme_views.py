"""The programme as its page shows it: films with their next shows by day, and what can be chosen. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from gateway.catalogue.shows import UpcomingShow
from gateway.site.days import by_day, day_of, is_one_day
from gateway.site.folding import folded
from gateway.site.posters import Poster, poster_of
from gateway.site.programme_data import Programme
from gateway.site.programme_filter import ProgrammeFilter
from schemas.api import timestamp
from schemas.api_catalogue import MovieBody

FILMS_ON_PAGE = 24
SHOWS_OF_FILM = 4
"""Shows of a film on a page of all days; of one day, twice as many."""
DAYS_TO_CHOOSE = 14
OPTIONS = 40
"""Genres and languages to choose from."""
FEW_SEATS = 12
"""Up to so many seats left are worth a warning."""


class ShowView(NamedTuple):
    """A show in the programme. `status` also has `sold_out` and `few`."""

    id: int
    starts_at: str
    timezone: str
    screen_name: str
    status: str
    left: int
    sales_start_at: str | None


class Day(NamedTuple):
    """A day. `name`: `today`, `tomorrow`, or empty."""

    day: date
    name: str

    @property
    def noon(self) -> str:
        """A moment of the day in UTC, to be written by a page."""
        return f"{self.day}T12:00:00Z"


class DayView(NamedTuple):
    """The shows of a day."""

    day: Day
    shows: list[ShowView]


class FilmView(NamedTuple):
    """A film with its next shows. `more`: how many later ones there are."""

    movie: MovieBody
    poster: Poster
    days: list[DayView]
    more: int


class Choices(NamedTuple):
    """What the filters offer."""

    days: list[Day]
    """The days with shows."""
    genres: list[str]
    languages: list[str]


class ProgrammeView(NamedTuple):
    """A page of the programme. `found`: films on all pages."""

    films: list[FilmView]
    found: int
    page: int
    pages: int
    choices: Choices


def programme_view(
    programme: Programme, wanted: ProgrammeFilter, today: date, choices: Choices
) -> ProgrammeView:
    """The page that a filter asks for. A page past the last one is the last one."""
    kept = wanted.movies(programme.movies)
    shows: dict[int, list[UpcomingShow]] = {}
    for show in wanted.shows(programme.shows, today):
        if show.movie_id in kept:
            shows.setdefault(show.movie_id, []).append(show)
    pages = max(1, -(-len(shows) // FILMS_ON_PAGE))
    page = min(wanted.page, pages)
    on_page = list(shows)[(page - 1) * FILMS_ON_PAGE : page * FILMS_ON_PAGE]
    most = 2 * SHOWS_OF_FILM if is_one_day(wanted.day) else SHOWS_OF_FILM
    films = [
        FilmView(
            kept[movie_id],
            poster_of(kept[movie_id]),
            day_views(shows[movie_id][:most], today),
            max(0, len(shows[movie_id]) - most),
        )
        for movie_id in on_page
    ]
    return ProgrammeView(films, len(shows), page, pages, choices)


def day_views(shows: Iterable[UpcomingShow], today: date) -> list[DayView]:
    """Shows by day."""
    return [
        DayView(named_day(day, today), [show_view(show) for show in of_day]) for day, of_day in by_day(shows)
    ]


def named_day(day: date, today: date) -> Day:
    """A day with its name."""
    return Day(day, {today: "today", today + timedelta(days=1): "tomorrow"}.get(day, ""))


def show_view(show: UpcomingShow) -> ShowView:
    """A show, with what a reader wants to know about its seats."""
    status: str = show.status
    if status == "on_sale":
        few = min(FEW_SEATS, show.total_seats // 5)
        status = "sold_out" if not show.has_seats else "few" if show.available_seats <= few else "on_sale"
    sales_start_at = None if show.sales_start_ms is None else timestamp(show.sales_start_ms)
    return ShowView(
        show.id,
        timestamp(show.starts_ms),
        show.timezone,
        show.screen_name,
        status,
        show.available_seats,
        sales_start_at,
    )


def choices_of(programme: Programme, today: date) -> Choices:
    """The days, genres and languages of the programme, as they are spelled most often."""
    days = sorted({day_of(show) for show in programme.shows})[:DAYS_TO_CHOOSE]
    return Choices(
        [named_day(day, today) for day in days],
        _spellings(genre for movie in programme.movies for genre in movie.genres),
        _spellings(movie.language for movie in programme.movies if movie.language),
    )


def _spellings(words: Iterable[str]) -> list[str]:
    """Words that differ by more than case and accents, each in its commonest spelling, by the alphabet."""
    spellings: dict[str, str] = {}
    for word, _ in Counter(words).most_common():
        spellings.setdefault(folded(word), word)
    return [spellings[key] for key in sorted(list(spellings)[:OPTIONS])]
