"""Generated posters: well-formed, the same for the same movie, with titles that fit in any script."""

from __future__ import annotations

from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.site.poster_art import COMPOSITIONS, compositions_of
from gateway.site.poster_palettes import PALETTES, palettes_of
from gateway.site.poster_shapes import HEIGHT, WIDTH
from gateway.site.poster_title import set_title
from gateway.site.posters import poster_of, poster_path, poster_svg
from ops.sample.data import sample_movies
from schemas.api_catalogue import MovieBody

SVG = "{http://www.w3.org/2000/svg}"
TITLES = [
    "M",
    "Ω",
    "बारिश का डाकघर",
    "東京の雨が降る夜に、君と話したこと",
    "مدينة الضوء والظلال",
    "🦊🌙",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    '<script>alert(1)</script> & "Co" ]]> \']',
    "x" * 200,
    "न" * 200,
    "漢" * 200,
    "a\u0301" * 100,
    "W " * 100,
    "\u202eabc",
    "👩‍👩‍👧‍👦" * 25,
]


def movie(title: str, *genres: str, poster_url: str = "") -> MovieBody:
    return MovieBody(7, title, 100, "", list(genres), "", "", poster_url)


def text_of(svg: bytes) -> list[str]:
    return [line.text or "" for line in ElementTree.fromstring(svg).iter(f"{SVG}tspan")]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_in_any_script_is_set_within_its_box(title: str) -> None:
    for composition in COMPOSITIONS:
        box = composition(Random(1), PALETTES[0]).box
        setting = set_title(title, box.width, box.height)
        assert setting.lines
        assert len(setting.lines) * setting.line_height <= box.height
        assert box.y >= 0
        assert box.y + box.height <= HEIGHT
        assert box.x + box.width <= WIDTH
    assert "".join(text_of(poster_svg(movie(title)))).strip()


def test_short_titles_are_large_and_long_ones_are_whole() -> None:
    short, long = set_title("M", 336, 140), set_title(" ".join(["Restored"] * 20), 336, 140)
    assert short.size > 4 * long.size
    assert " ".join(long.lines).count("Restored") == 20
    assert set_title("Le dernier tram pour Meudon", 336, 140).lines == ("Le dernier tram", "pour Meudon")


def test_words_that_are_longer_than_a_line_are_broken_and_too_much_text_is_cut() -> None:
    broken = set_title("Donaudampfschifffahrtsgesellschaftskapitän", 336, 140)
    assert broken.size > 30
    assert "".join(broken.lines).replace("-", "") == "Donaudampfschifffahrtsgesellschaftskapitän"
    assert set_title("न" * 2000, 336, 140).lines[-1].endswith("…")


def test_lines_of_japanese_do_not_begin_with_punctuation() -> None:
    for line in set_title("東京の雨、東京の夜、東京の朝、東京の人々。", 200, 300).lines:
        assert line[0] not in "、。"


def test_right_to_left_titles_begin_at_the_right() -> None:
    assert set_title("مدينة", 336, 140).right_to_left
    assert not set_title("2001 مدينة".replace("مدينة", "Odyssey"), 336, 140).right_to_left
    assert b'direction="rtl"' in poster_svg(movie("مدينة الضوء"))


def test_the_same_movie_has_the_same_poster_and_another_title_another_address() -> None:
    assert poster_svg(movie("A", "Drama")) == poster_svg(movie("A", "Drama"))
    addresses = {poster_path(movie("A", "Drama")), poster_path(movie("B", "Drama")), poster_path(movie("A"))}
    assert len(addresses) == 3


def test_a_poster_contains_nothing_that_runs_or_comes_from_elsewhere() -> None:
    svg = poster_svg(movie("<script>alert(1)</script>\"'", "<b>"))
    found = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert not found & {"script", "foreignObject", "image", "use", "style", "a"}
    assert svg.count(b"http") == 1, "the name space alone"
    assert b"<script" not in svg


@given(
    st.text(min_size=1, max_size=200), st.sampled_from(["", "Drama", "Comedy", "Science fiction", "Unknown"])
)
def test_every_title_gives_well_formed_svg(title: str, genre: str) -> None:
    assert text_of(poster_svg(movie(title.encode("utf-8", "replace").decode(), genre)))


def test_every_composition_is_reached_and_small() -> None:
    for composition in COMPOSITIONS:
        for palette in PALETTES:
            art = composition(Random(3), palette)
            ElementTree.fromstring(f"<svg>{art.shapes}</svg>")
            assert len(art.shapes) < 30_000
    assert compositions_of("unheard of") == COMPOSITIONS
    assert palettes_of("unheard of") == PALETTES
    assert len({svg[:300] for svg in map(poster_svg, (movie(f"Film {n}") for n in range(40)))}) > 20


def test_the_sample_movies_have_posters_that_differ() -> None:
    films = [movie(film.title, *film.genres) for film in sample_movies()]
    assert len({poster_svg(film) for film in films}) == len(films)


def test_pages_show_a_poster_of_the_movie_s_own_if_it_may_be_loaded() -> None:
    own = poster_of(movie("A", poster_url="https://example.com/p.jpg"))
    assert (own.address, own.generated) == ("https://example.com/p.jpg", False)
    assert poster_of(movie("A", poster_url="/p.jpg")).address == "/p.jpg"
    for url in ("", "http://example.com/p.jpg"):
        assert poster_of(movie("A", poster_url=url)).generated
