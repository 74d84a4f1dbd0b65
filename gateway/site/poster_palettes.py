"""Colours of generated posters: a few duotones around the house's navy and amber. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Palette(NamedTuple):
    """Colours of one poster. `ink` is readable on `ground` and on `deep`."""

    ground: str
    """The background."""
    deep: str
    """A shade of the background, for what is near."""
    middle: str
    """A tone between background and light."""
    light: str
    """The second colour, of large shapes."""
    accent: str
    """The colour that is looked at first."""
    ink: str
    """The title."""


NAVY = Palette("#10182b", "#0a1020", "#24365f", "#5f7fb8", "#f2b33d", "#fbf3df")
DUSK = Palette("#1c1b3a", "#12112a", "#4a3a78", "#c46a8a", "#f6b860", "#fdf1e3")
TEAL = Palette("#0d2b33", "#081d24", "#1d5560", "#5fa8a4", "#f2b33d", "#eef6ee")
OXBLOOD = Palette("#2c0d17", "#1b070e", "#6a1c30", "#c2434a", "#f2a03d", "#fbeadb")
FOREST = Palette("#10281f", "#0a1a14", "#28563f", "#7fae7c", "#f0c45a", "#f6f3de")
AMBER = Palette("#f2b33d", "#e29a24", "#c9651f", "#10182b", "#fff3d1", "#10182b")
CREAM = Palette("#f4ead6", "#e8d8b8", "#d9a066", "#c4502e", "#16213d", "#16213d")
CORAL = Palette("#e4674a", "#cf4f38", "#a4332f", "#221b3f", "#f9cf6b", "#1c1434")
PALETTES = (NAVY, DUSK, TEAL, OXBLOOD, FOREST, AMBER, CREAM, CORAL)

_OF_GENRE = {
    "action": (NAVY, OXBLOOD, CORAL),
    "adventure": (TEAL, AMBER, NAVY),
    "animation": (AMBER, CREAM, CORAL),
    "comedy": (CREAM, AMBER, CORAL),
    "crime": (NAVY, OXBLOOD, TEAL),
    "documentary": (FOREST, CREAM, TEAL),
    "drama": (NAVY, DUSK, FOREST),
    "family": (AMBER, CREAM, TEAL),
    "fantasy": (DUSK, TEAL, FOREST),
    "history": (CREAM, FOREST, OXBLOOD),
    "horror": (OXBLOOD, NAVY),
    "musical": (DUSK, CORAL, AMBER),
    "mystery": (NAVY, TEAL, DUSK),
    "romance": (DUSK, CORAL, CREAM),
    "science fiction": (NAVY, TEAL, DUSK),
    "sport": (FOREST, AMBER, CORAL),
    "thriller": (OXBLOOD, NAVY, FOREST),
    "war": (FOREST, OXBLOOD),
    "western": (AMBER, CORAL, CREAM),
}


def palettes_of(genre: str) -> tuple[Palette, ...]:
    """The palettes that suit a genre; all of them for one that is not known."""
    return _OF_GENRE.get(genre.lower(), PALETTES)
