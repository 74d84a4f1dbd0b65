"""Compositions of generated posters, and the genres that they suit.

A composition draws shapes on a canvas of 400 × 600 and leaves a box for the title.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gateway.site.poster_figures import auditorium, hands, orbits, pair, rays, striped_sun, tiles
from gateway.site.poster_palettes import Palette
from gateway.site.poster_scenes import beam, doorway, horizon, rain, waves, windows
from gateway.site.poster_shapes import Art

Composition = Callable[[Random, Palette], Art]

COMPOSITIONS: tuple[Composition, ...] = (
    horizon,
    beam,
    auditorium,
    doorway,
    orbits,
    tiles,
    pair,
    rays,
    windows,
    waves,
    rain,
    striped_sun,
    hands,
)

_OF_GENRE: dict[str, tuple[Composition, ...]] = {
    "action": (rays, striped_sun, windows),
    "adventure": (waves, horizon, rays),
    "animation": (tiles, waves, horizon),
    "comedy": (tiles, rays, beam),
    "crime": (windows, doorway, beam),
    "documentary": (beam, horizon, tiles),
    "drama": (horizon, rain, beam, hands),
    "family": (tiles, horizon, waves),
    "fantasy": (orbits, waves, horizon),
    "history": (hands, horizon, doorway),
    "horror": (doorway, waves, windows),
    "musical": (auditorium, rays, beam),
    "mystery": (doorway, hands, windows),
    "romance": (pair, rain, horizon),
    "science fiction": (orbits, striped_sun),
    "sport": (rays, striped_sun),
    "thriller": (windows, doorway, rain),
    "western": (striped_sun, rays, horizon),
}


def compositions_of(genre: str) -> tuple[Composition, ...]:
    """The compositions that suit a genre; all of them for one that is not known."""
    return _OF_GENRE.get(genre.lower(), COMPOSITIONS)
