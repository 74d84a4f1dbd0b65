"""The front page: upcoming shows, and links to the API and the inbox."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import msgspec
from litestar import Response, get

from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, CachedResponse, ReadResult, ResponseCache
from gateway.catalogue.shows import ShowFilter, Shows
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from schemas.api_catalogue import MovieBody, ShowBody

REFRESH_S = 1.0
_SHOWS_ON_PAGE = 100
_SHOWS_PER_MOVIE = 6
_POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_KEY = "front page"
_HEADERS = [(b"content-security-policy", _POLICY), (b"cache-control", b"no-cache")]


class Screening(msgspec.Struct, frozen=True):
    """A show on the front page."""

    show_id: int
    when: str
    screen: str
    left: int
    on_sale: bool


class Feature(msgspec.Struct, frozen=True):
    """A movie with its next shows."""

    movie: MovieBody
    screenings: list[Screening]


class FrontPage:
    """The front page, rendered once and cached until the catalogue changes, for at most REFRESH_S."""

    def __init__(self, response_cache: ResponseCache, shows: Shows, embedded_inbox: bool) -> None:
        self._response_cache = response_cache
        self._shows = shows
        self._inbox = embedded_inbox

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """GET /"""
        known = self._response_cache.get_fresh(_KEY)
        if known is None:
            return self._render_and_respond(exchange)
        _answer(exchange, known)
        return None

    async def _render_and_respond(self, exchange: Exchange) -> None:
        _answer(exchange, await self._response_cache.get(_KEY, self._make))

    async def _make(self) -> ReadResult:
        upcoming = await self._shows.page(ShowFilter(from_at=datetime.now(UTC)), _SHOWS_ON_PAGE, None)
        html = _template().render(features=features(upcoming.items), inbox=self._inbox)
        # The number of available seats may be up to REFRESH_S old.
        return ReadResult(html.encode(), DEPENDS_ON_CATALOGUE, REFRESH_S)


def _answer(exchange: Exchange, page: CachedResponse) -> None:
    headers = [(b"etag", page.etag), *_HEADERS]
    if not_modified(exchange.headers.get(b"if-none-match"), page.etag):
        exchange.respond_cacheable(304, b"", headers)
    else:
        exchange.respond_cacheable(200, page.body, headers, b"text/html; charset=utf-8")


def site_routes() -> list[Any]:
    """The route of the pages' style sheet."""
    return [_style]


def features(shows: list[ShowBody]) -> list[Feature]:
    """The shows grouped by movie, ordered by each movie's next show. Cancelled shows are left out."""
    by_movie: dict[int, Feature] = {}
    for show in shows:
        if show.status == "cancelled":
            continue
        feature = by_movie.setdefault(show.movie.id, Feature(show.movie, []))
        if len(feature.screenings) < _SHOWS_PER_MOVIE:
            feature.screenings.append(_screening(show))
    return list(by_movie.values())


def _screening(show: ShowBody) -> Screening:
    starts_at = datetime.fromisoformat(show.starts_at).astimezone(ZoneInfo(show.timezone))
    return Screening(
        show_id=show.id,
        when=f"{starts_at:%a} {starts_at.day} {starts_at:%b, %H:%M}",
        screen=show.screen_name,
        left=show.available_seats,
        on_sale=show.status == "on_sale",
    )


@get("/site.css", include_in_schema=False, sync_to_thread=False)
def _style() -> Response[bytes]:
    return Response(_style_sheet(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@lru_cache
def _style_sheet() -> bytes:
    return resources.files("gateway.site").joinpath("web", "site.css").read_bytes()


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.site", "web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html")
