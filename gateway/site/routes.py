"""The pages of the site by their addresses, and its files.

A page is a row of the table in `site_routes`. Its handler takes the exchange, and the parameter of its path by its
name, and responds with `respond_page` or raises a Problem, which a browser gets as a page, too (`error_pages.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import ResponseCache
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import Zones
from gateway.http.exchange import Exchange
from gateway.http.integers import read_integer
from gateway.seat_maps.cache import SeatMapCache
from gateway.site.account_pages import StaticPage, account_pages
from gateway.site.assets import Assets
from gateway.site.film_pictures import picture_name, posters, previews
from gateway.site.movie_pages import MoviePage
from gateway.site.programme import ProgrammePage
from gateway.site.programme_data import ProgrammeData
from gateway.site.rendering import Renderer
from gateway.site.responses import POLICY
from gateway.site.show_page import ShowPage
from gateway.site.sitemap import Manifest, Robots, Sitemap
from schemas.ids import MAX_SHOW_ID

Handler = Callable[..., Coroutine[Any, Any, None] | None]
"""Takes the exchange, and the parameter of its path by its name."""


# Swagger UI sets inline styles; it needs no other exception.
_DOCS_POLICY = POLICY.replace(b"style-src 'self'", b"style-src 'self' 'unsafe-inline'")


class SiteParts(NamedTuple):
    """What pages are made with and of."""

    assets: Assets
    renderer: Renderer
    response_cache: ResponseCache
    movies: Movies
    shows: Shows
    seat_maps: SeatMapCache
    zones: Zones
    public_url: str


class SiteRoute(NamedTuple):
    """The handler of one request, with the parameter of its path, and the route label of its metrics."""

    handler: Callable[[Exchange], Coroutine[Any, Any, None] | None]
    label: str


def site_routes(parts: SiteParts) -> Site:
    """All pages. Paths have at most one parameter, at the end."""
    data = ProgrammeData(parts.response_cache, parts.movies, parts.shows)
    return Site(
        parts.assets,
        {
            # The programme.
            "/": ProgrammePage(parts.response_cache, data, parts.renderer, parts.zones, parts.public_url),
            "/movies/{movie_id}": MoviePage(
                parts.response_cache, parts.movies, parts.shows, parts.renderer, parts.zones, parts.public_url
            ),
            "/posters/{poster}": posters(parts.response_cache, parts.movies),
            "/previews/{preview}": previews(parts.response_cache, parts.movies),
            "/sitemap.xml": Sitemap(parts.response_cache, data, parts.public_url),
            "/robots.txt": Robots(parts.public_url),
            "/site.webmanifest": Manifest(parts.assets),
            # Choosing seats.
            "/shows/{show_id}": ShowPage(parts.response_cache, parts.shows, parts.renderer, parts.public_url),
            # Bookings and accounts.
            **account_pages(parts.renderer),
            # The door.
            "/checkin": StaticPage(parts.renderer, "check_in.html"),
            # For developers.
            "/docs": StaticPage(parts.renderer, "docs.html", _DOCS_POLICY),
        },
    )


class Site:
    """Finds the page or file of a path."""

    def __init__(self, assets: Assets, pages: dict[str, Handler]) -> None:
        self._assets = assets
        self._exact: dict[str, SiteRoute] = {}
        self._with_parameter: dict[str, tuple[str, Handler]] = {}
        for path, handler in pages.items():
            before, brace, parameter = path.partition("{")
            if brace:
                name = parameter.removesuffix("}")
                assert name in _PARAMETERS, path
                self._with_parameter[before] = name, handler
            else:
                self._exact[path] = SiteRoute(handler, "page")

    def find(self, path: str) -> SiteRoute | None:
        """The route of a path; None where the site has none."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        if path.startswith("/assets/"):
            asset = self._assets.find(path)
            return None if asset is None else SiteRoute(asset, "asset")
        before, slash, text = path.rpartition("/")
        found = self._with_parameter.get(before + slash)
        if found is None:
            return None
        name, handler = found
        value = _PARAMETERS[name](text)
        return None if value is None else SiteRoute(partial(handler, **{name: value}), "page")


def _number(text: str) -> int | None:
    return read_integer(text, MAX_SHOW_ID, max_digits=10)


def _uuid(text: str) -> UUID | None:
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None


def _changed_link(text: str) -> str | None:
    """The end of a link whose "#" has become "%23"; paths come decoded."""
    return text if _CHANGED_LINK.match(text) else None


def _old_link(text: str) -> str | None:
    """The end of a link of an earlier release, `/#/reset/…`."""
    return text or None


_CHANGED_LINK = re.compile(r"(?:reset|confirm|undo)(?:#|%23)")
_PARAMETERS: dict[str, Callable[[str], Any]] = {
    "changed_link": _changed_link,
    "old_link": _old_link,
    "movie_id": _number,
    "show_id": _number,
    "booking_id": _uuid,
    "poster": picture_name("svg"),
    "preview": picture_name("png"),
}
"""Reads a parameter by its name; None: no such page."""
