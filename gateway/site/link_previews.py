"""Previews of shared links to films and shows: a picture, and the beginning of the description."""

from __future__ import annotations

from typing import NamedTuple

from gateway.site.posters import poster_of
from gateway.site.previews import PREVIEW_HEIGHT, PREVIEW_WIDTH, preview_path
from schemas.api_catalogue import MovieBody

_SUMMARY = 200
"""Characters of a description."""


class LinkPreview(NamedTuple):
    """`image`: its address. Width and height are known of a generated one."""

    image: str
    width: int | None
    height: int | None
    summary: str


def link_preview(movie: MovieBody, public_url: str) -> LinkPreview:
    """The preview of a link to a movie or to one of its shows. `public_url` has no slash at its end."""
    poster = poster_of(movie)
    if poster.generated:
        image = public_url + preview_path(movie)
        return LinkPreview(image, PREVIEW_WIDTH, PREVIEW_HEIGHT, summary(movie.description))
    image = poster.address if "://" in poster.address else public_url + poster.address
    return LinkPreview(image, None, None, summary(movie.description))


def summary(description: str) -> str:
    """The beginning of a description as one line, ending with a whole word."""
    line = " ".join(description.split())
    if len(line) <= _SUMMARY:
        return line
    beginning = line[:_SUMMARY]
    return (beginning.rpartition(" ")[0] or beginning).rstrip(",;:.–—") + " …"
