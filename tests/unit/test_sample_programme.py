"""The programme of the sample data."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

from ops.sample.data import sample_movies, side_by_side
from ops.sample.layouts import cinema, hall, theatre
from ops.sample.programme import FEW, SLOTS, programme
from schemas.layout import Seating, problems

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVIES = sample_movies()
FAMILY = frozenset(n for n, movie in enumerate(MOVIES) if "Family" in movie.genres)


def test_there_are_a_dozen_movies_of_many_kinds_and_tongues() -> None:
    assert len({movie.title for movie in MOVIES}) == 12
    assert len({genre for movie in MOVIES for genre in movie.genres}) >= 10
    assert len({movie.language for movie in MOVIES}) >= 4
    assert any("\u0900" <= movie.title[0] <= "\u097f" for movie in MOVIES), "one title in Devanagari"
    assert all(len(movie.description) > 150 for movie in MOVIES)


def test_the_three_layouts_are_good_ones() -> None:
    layouts = [hall("EUR"), cinema("EUR"), theatre("EUR")]
    assert not [problem for layout in layouts for problem in problems(layout)]
    assert [len(Seating(layout)) for layout in layouts] == [120, 220, 2000]


def test_every_movie_has_several_shows_in_the_coming_days_and_none_in_the_next_hour() -> None:
    planned = list(programme(len(MOVIES), FAMILY, "Europe/Berlin", NOON))
    assert len(planned) >= 2 * FEW
    assert min(Counter(show.movie for show in planned).values()) >= 3
    assert all(NOON + timedelta(hours=1) <= show.starts_at <= NOON + timedelta(days=8) for show in planned)
    assert len({(show.slot.screen_name, show.starts_at) for show in planned}) == len(planned)


def test_no_screen_shows_two_movies_at_once() -> None:
    planned = list(programme(len(MOVIES), FAMILY, "UTC", NOON))
    for screen in {slot.screen_name for slot in SLOTS}:
        here = sorted((s for s in planned if s.slot.screen_name == screen), key=lambda s: s.starts_at)
        for show, following in itertools.pairwise(here):
            ends_at = show.starts_at + timedelta(minutes=MOVIES[show.movie].duration_minutes)
            assert ends_at <= following.starts_at


def test_family_films_are_not_shown_late() -> None:
    planned = programme(len(MOVIES), FAMILY, "UTC", NOON)
    assert max(show.starts_at.hour for show in planned if show.movie in FAMILY) < 20


def test_a_day_has_the_same_programme_whenever_it_is_asked_for() -> None:
    today = list(programme(len(MOVIES), FAMILY, "UTC", NOON))
    tomorrow = list(programme(len(MOVIES), FAMILY, "UTC", NOON + timedelta(days=1)))
    assert set(today) & set(tomorrow) == {s for s in today if s.starts_at > NOON + timedelta(days=1)}


def test_the_example_seats_are_free_and_have_no_aisle_between_them() -> None:
    layout = cinema("EUR")
    seating = Seating(layout)
    assert side_by_side(layout, frozenset(), 2) == ("J10", "J11")
    claimed = frozenset(seating.index(f"J{n}") for n in range(1, 21) if n not in (5, 6, 15, 16))
    assert side_by_side(layout, claimed, 2) == ("K10", "K11"), "J5 and J6 have an aisle between them"
    assert side_by_side(layout, frozenset(range(len(seating))), 2) is None
    assert side_by_side(hall("EUR"), frozenset(range(0, 120, 2)), 2) is None
