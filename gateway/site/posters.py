"""Generated posters: an SVG for a movie without a poster of its own. The same movie always gets the same one. Pure."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from random import Random
from typing import NamedTuple

from gateway.site.poster_art import compositions_of
from gateway.site.poster_palettes import Palette, palettes_of
from gateway.site.poster_shapes import HEIGHT, WIDTH, Art, Box
from gateway.site.poster_title import Setting, set_title
from schemas.api_catalogue import MovieBody

_EDITION = b"819"
"""Another edition gives every movie another poster. With this one the sample movies differ most from each other."""
_SERIF = (
    "Georgia,'Iowan Old Style','Palatino Linotype','Noto Serif','Noto Serif Devanagari','Nirmala UI',serif"
)
_SANS = "'Avenir Next','Segoe UI','Helvetica Neue','Noto Sans','Noto Sans Devanagari','Nirmala UI',Arial,sans-serif"


class Poster(NamedTuple):
    """The address of a movie's poster. `generated`: its width and height are 2 to 3."""

    address: str
    fallback: str
    """The generated one, should the other not be there."""

    @property
    def generated(self) -> bool:
        return self.address == self.fallback


def poster_of(movie: MovieBody) -> Poster:
    """The poster of a movie: its own, if pages may show it, or the generated one."""
    generated = poster_path(movie)
    own = movie.poster_url
    return Poster(own if own.startswith(("https://", "/")) else generated, generated)


def poster_mark(movie: MovieBody) -> str:
    """A hash of what the poster shows, for its address."""
    return _digest(movie).hex()[:12]


def poster_path(movie: MovieBody) -> str:
    """The address of the generated poster."""
    return f"/posters/{movie.id}-{poster_mark(movie)}.svg"


class Design(NamedTuple):
    """What a poster looks like."""

    title: str
    colours: Palette
    art: Art

    def svg(self, *, with_title: bool = True) -> bytes:
        """The poster as a document."""
        box = self.art.box
        title = _title(set_title(self.title, box.width, box.height), box, self.colours) if with_title else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}"><path d="M0 0H{WIDTH}V{HEIGHT}H0Z" fill="{self.colours.ground}"/>{self.art.shapes}'
            f"{title}</svg>"
        ).encode()


def poster_design(movie: MovieBody) -> Design:
    """Chooses colours and composition by genre, all else by the title."""
    digest = _digest(movie)
    genre = movie.genres[0] if movie.genres else ""
    palettes, compositions = palettes_of(genre), compositions_of(genre)
    colours = palettes[digest[0] % len(palettes)]
    composition = compositions[digest[1] % len(compositions)]
    return Design(movie.title, colours, composition(Random(int.from_bytes(digest[2:10])), colours))


def poster_svg(movie: MovieBody) -> bytes:
    """Draws the poster."""
    return poster_design(movie).svg()


def _title(title: Setting, box: Box, colours: Palette) -> str:
    height = title.line_height * len(title.lines)
    # A baseline is about four fifths of a line below its upper edge.
    first = (box.y + box.height - height if box.bottom else box.y) + title.line_height * 0.8
    if box.centred:
        x, place = box.x + box.width / 2, ' text-anchor="middle"'
    else:
        x, place = (box.x + box.width if title.right_to_left else box.x), ""
    direction = ' direction="rtl"' if title.right_to_left else ""
    lines = "".join(
        f'<tspan x="{x:.0f}" y="{first + n * title.line_height:.1f}">{escape(line)}</tspan>'
        for n, line in enumerate(title.lines)
    )
    weight = 600 if box.serif else 800
    return (
        f'<text font-family="{_SERIF if box.serif else _SANS}" font-weight="{weight}" font-size="{title.size}" '
        f'fill="{colours.ink}"{place}{direction}>{lines}</text>'
    )


def _digest(movie: MovieBody) -> bytes:
    return _digest_of(movie.title, *movie.genres)


@lru_cache(maxsize=1000)
def _digest_of(*parts: str) -> bytes:
    digest = hashlib.blake2b(_EDITION, digest_size=16)
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()
