"""Pictures for links to films, as messengers and social networks show them: PNG of 1200 × 630.

Typst draws them from the generated poster's art and sets the title, of which it knows letters, not only boxes. A title
in a script that the packaged fonts do not have is left out, and the art fills the picture.
"""

from __future__ import annotations

import hashlib
import threading
from importlib.resources import files

import msgspec
import typst

from gateway.site.poster_shapes import HEIGHT, WIDTH
from gateway.site.poster_title import set_title
from gateway.site.posters import poster_design, poster_mark
from schemas.api_catalogue import MovieBody

PREVIEW_WIDTH, PREVIEW_HEIGHT = 1200, 630
_TITLE_WIDTH, _TITLE_HEIGHT = 480, 330
_LARGEST = 86
_FACTS = 40
"""Characters of the facts that are shown."""
_PACKAGED = (
    (0x20, 0x52F),
    (0x900, 0x97F),
    (0x1E00, 0x1FFF),
    (0x2010, 0x2044),
    (0x20A0, 0x20BF),
    (0x200C, 0x200D),
)
"""Scripts of the packaged fonts: Latin, Greek, Cyrillic, Devanagari, and signs."""

_EDITION = b"1"
"""Another edition gives every picture another address: change it with the drawing."""

_template = (files(__package__) / "preview.typ").read_bytes()
_fonts = typst.Fonts(
    include_system_fonts=False,
    include_embedded_fonts=False,
    font_paths=[
        str(files(package) / "files") for package in ("fontpkg_noto_sans", "fontpkg_noto_sans_devanagari")
    ],
)
_of_this_thread = threading.local()


def preview_path(movie: MovieBody) -> str:
    """The address of the picture."""
    return f"/previews/{movie.id}-{preview_mark(movie)}.png"


def preview_mark(movie: MovieBody) -> str:
    """A hash of what the picture shows, for its address."""
    shown = f"{poster_mark(movie)} {movie.duration_minutes}".encode()
    return hashlib.blake2b(shown, person=_EDITION, digest_size=6).hexdigest()


def preview_png(movie: MovieBody) -> bytes:
    """Draws the picture. CPU-bound, some 50 ms: call it in a thread."""
    drawn = _compiler().compile(
        _template,
        format="png",
        ppi=72.0,
        sys_inputs={
            "card": msgspec.json.encode(_card(movie)).decode(),
            "art": poster_design(movie).svg(with_title=False).decode(),
        },
    )
    assert isinstance(drawn, bytes)
    return drawn


def _card(movie: MovieBody) -> dict[str, object]:
    """The data of the template: which part of the art is shown, and the title's lines."""
    design = poster_design(movie)
    box, colours = design.art.box, design.colours
    if not _is_printable(movie.title):
        scale = PREVIEW_WIDTH / WIDTH
        # The middle of what is drawn, not of the empty place for a title.
        top = 0.0 if box.bottom else box.y + box.height
        drawn = box.y if box.bottom else HEIGHT - top
        middle = min(max(top + drawn / 2, PREVIEW_HEIGHT / scale / 2), HEIGHT - PREVIEW_HEIGHT / scale / 2)
        shown = {"width": PREVIEW_WIDTH, "dx": 0, "dy": PREVIEW_HEIGHT / 2 - middle * scale, "scale": scale}
        return {**shown, **_colours(colours), "lines": [], "size": 0, "facts": ""}
    top = 0.0 if box.bottom else box.y + box.height
    drawn = (box.y if box.bottom else HEIGHT) - top
    scale = max(PREVIEW_HEIGHT / drawn, 1.3)
    width = min(WIDTH * scale, PREVIEW_WIDTH - _TITLE_WIDTH - 112)
    title = set_title(movie.title, _TITLE_WIDTH, _TITLE_HEIGHT)
    facts = " · ".join([*movie.genres[:2], f"{movie.duration_minutes} min"])
    return {
        "width": width,
        "dx": (width - WIDTH * scale) / 2,
        "dy": -top * scale,
        "scale": scale,
        **_colours(colours),
        "lines": title.lines,
        "size": min(title.size, _LARGEST),
        "facts": facts if len(facts) <= _FACTS and _is_printable(facts) else f"{movie.duration_minutes} min",
    }


def _colours(colours: object) -> dict[str, str]:
    return {name: getattr(colours, name) for name in ("ground", "ink", "accent")}


def _is_printable(text: str) -> bool:
    """Whether the packaged fonts have all letters of a text."""
    return all(any(first <= ord(letter) <= last for first, last in _PACKAGED) for letter in text)


def _compiler() -> typst.Compiler:
    compiler: typst.Compiler | None = getattr(_of_this_thread, "compiler", None)
    if compiler is None:
        compiler = _of_this_thread.compiler = typst.Compiler(font_paths=_fonts)
    return compiler
