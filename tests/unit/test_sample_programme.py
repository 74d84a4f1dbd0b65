"""The programme of the sample data."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta

from ops.sample.arcs import places
from ops.sample.data import sample_movies, side_by_side
from ops.sample.layouts import cinema, hall
from ops.sample.programme import FEW, SLOTS, programme
from ops.sample.theatre import theatre
from schemas.layout import Section
from schemas.layout_problems import problems
from schemas.seating import Seating

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVIES = sample_movies()
FAMILY = frozenset(n for n, movie in enumerate(MOVIES) if "Family" in movie.genres)


def test_there_are_movies_of_many_genres_languages_and_scripts() -> None:
    assert len({movie.title for movie in MOVIES}) == len(MOVIES) == 12
    assert len({genre for movie in MOVIES for genre in movie.genres}) >= 10
    assert len({movie.language for movie in MOVIES}) >= 4
    scripts = {unicodedata.name(movie.title[0]).split()[0] for movie in MOVIES}
    assert scripts == {"LATIN", "DEVANAGARI", "ARABIC"}
    assert all(len(movie.description) > 150 for movie in MOVIES)


def test_the_three_layouts_are_valid() -> None:
    layouts = [hall("EUR"), cinema("EUR"), theatre("EUR")]
    assert not [problem for layout in layouts for problem in problems(layout)]
    assert [len(Seating(layout)) for layout in layouts] == [120, 220, 866]


def test_companions_are_beside_wheelchairs_and_a_restricted_view_costs_less() -> None:
    for layout in (cinema("EUR"), theatre("EUR")):
        seating = Seating(layout)
        kinds = seating.kinds or b""
        for seat, kind in enumerate(kinds):
            beside = {chr(kinds[other]) for other in seating.neighbours(seat)}
            assert chr(kind) not in "wc" or beside & {"w", "c"} == {"wc".replace(chr(kind), "")}
    assert (kinds.count(b"w"), kinds.count(b"c"), kinds.count(b"r")) == (6, 6, 42)
    sections = {name: section.price.amount for section in layout.sections for name in _labels(section)}
    for seat, kind in enumerate(kinds):
        price, usual = seating.price_of(seat), sections[seating.label(seat)]
        assert (price < usual) == (kind == ord("r"))


def test_rows_are_symmetrical_behind_the_stage_and_no_seat_stands_on_another() -> None:
    for layout in (cinema("EUR"), theatre("EUR")):
        rows = [row for section in layout.sections for row in section.rows]
        every = [place for row in rows for place in places(row)]
        assert layout.stage is not None
        assert min(y for x, y in every if abs(x) < layout.stage.width / 2) > (
            layout.stage.y + layout.stage.height
        )
        for row in rows:
            if row.curve:
                (x, y), *_, (other_x, other_y) = places(row)
                assert math.isclose(x, -other_x, abs_tol=0.05), "the row is symmetrical"
                assert math.isclose(y, other_y, abs_tol=0.05)
                assert y < max(y for _, y in places(row)), "its ends are nearer to the stage"
        boxes = [place for row in rows if not row.curve for place in places(row)]
        for x, y in boxes:
            assert any(math.hypot(x + other_x, y - other_y) < 0.05 for other_x, other_y in boxes)
        near = sorted(every)
        for n, (x, y) in enumerate(near):
            for other_x, other_y in near[n + 1 :]:
                if other_x > x + 0.95:
                    break
                assert math.hypot(x - other_x, y - other_y) > 0.95


def _labels(section: Section) -> list[str]:
    return [label for row in section.rows for label in row.labels()]


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
