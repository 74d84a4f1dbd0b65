"""The programme's filter: what an address means, and what matches."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.site.folding import folded, matches, search_words
from gateway.site.programme_filter import EVERYTHING, MAX_PAGE, ProgrammeFilter, read_filter
from schemas.api_catalogue import MovieBody

TODAY = date(2026, 11, 30)


def keeps(wanted: ProgrammeFilter, film: MovieBody) -> bool:
    return bool(wanted.movies([film]))


def movie(title: str, genres: list[str] | None = None, language: str = "") -> MovieBody:
    return MovieBody(1, title, 100, "", genres or [], language, "", "")


@pytest.mark.parametrize(
    ("search", "title"),
    [
        ("amelie", "Amélie"),
        ("AMÉLIE", "Amélie"),
        ("ame\u0301lie", "Am\u00e9lie"),
        ("strasse", "Die Straße"),
        ("oeuvre", "L’Œuvre au noir"),
        ("loeuvre", "L’Œuvre au noir"),
        ("cartographers ball", "The Cartographers’ Ball"),
        ("cartographer's", "The Cartographers’ Ball"),
        ("ball cartog", "The Cartographers’ Ball"),
        ("डाकघर", "बारिश का डाकघर"),
        ("øster", "Oster"),
        ("lodz", "Łódź"),
        ("ii", "Alien ＩＩ"),
        ("!!!", "What!!!"),
        ("spider man", "Spider-Man"),
        ("मि", "मिलन"),
    ],
)
def test_search_ignores_case_accents_and_punctuation(search: str, title: str) -> None:
    assert keeps(ProgrammeFilter(search=search), movie(title))


@pytest.mark.parametrize(
    ("search", "title"), [("amelie 2", "Amélie"), ("!!!", "What"), ("मी", "मिलन"), ("%", "Ten")]
)
def test_other_titles_do_not_match(search: str, title: str) -> None:
    assert not keeps(ProgrammeFilter(search=search), movie(title))


def test_genre_and_language_match_regardless_of_spelling() -> None:
    film = movie("A", ["Comédie", "Drama"], "pt-BR")
    assert keeps(ProgrammeFilter(genre="comedie", language="pt_br"), film)
    assert not keeps(ProgrammeFilter(genre="com"), film)
    assert not keeps(ProgrammeFilter(language="pt"), film)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"utm_source=mail",
        b"day=yesterday",
        b"day=2026-02-30",
        b"page=0",
        b"page=-1",
        b"page=9999999999999999999",
        b"page=x",
        b"available=no",
        b"search=%20%00%20",
        b"search=" + b"x" * 3000,
        b"&".join(b"a=%d" % n for n in range(60)),
        b"\xff\xfe=%zz&%",
        b"search",
    ],
)
def test_what_makes_no_sense_is_ignored(query: bytes) -> None:
    assert read_filter(query) == EVERYTHING


def test_an_address_says_what_is_shown() -> None:
    wanted = read_filter(
        b"search=+Am%C3%A9lie++2&day=today&genre=Drama&language=French&available=1&page=3&lang=de&day=x"
    )
    assert wanted == ProgrammeFilter("Amélie 2", "today", "Drama", "French", True, 3)
    assert wanted.address() == "/?search=Am%C3%A9lie+2&day=today&genre=Drama&language=French&available=1"
    assert wanted.address(search="", day="", genre="", language="", available=False) == "/"
    assert read_filter(b"page=%d" % MAX_PAGE).page == MAX_PAGE


@given(st.binary(max_size=300))
def test_any_query_gives_a_filter_and_its_address_the_same_again(query: bytes) -> None:
    wanted = read_filter(query)
    again = read_filter(wanted.address(page=wanted.page).partition("?")[2].encode())
    assert again == wanted
    assert len(wanted.search) <= 100


def test_only_pages_that_many_open_are_cached() -> None:
    for day in ("", "today", "tomorrow", "week", "2026-11-30", "2026-12-14"):
        assert ProgrammeFilter(day=day).is_common(TODAY)
    for wanted in (
        ProgrammeFilter(day="2026-11-29"),
        ProgrammeFilter(day="2026-12-15"),
        ProgrammeFilter(search="a"),
        ProgrammeFilter(genre="a"),
        ProgrammeFilter(language="a"),
        ProgrammeFilter(available=True),
        ProgrammeFilter(page=2),
    ):
        assert not wanted.is_common(TODAY)


@given(st.text(max_size=60))
def test_every_title_is_found_by_itself(title: str) -> None:
    assert matches(search_words(title), title)
    assert folded(folded(title)) == folded(title) or "İ" in title or title != title.lower()
