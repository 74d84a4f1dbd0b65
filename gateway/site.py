"""The front page: what is on, and where to go from here."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from gateway.catalogue.shows import ShowFilter, Shows
from schemas.api_catalogue import MovieBody, ShowBody

_SHOWS_ON_PAGE = 100
_SHOWS_PER_MOVIE = 6
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Screening(msgspec.Struct, frozen=True):
    """A show as the front page has it."""

    show_id: int
    when: str
    screen: str
    left: int
    on_sale: bool


class Feature(msgspec.Struct, frozen=True):
    """A movie with its next shows."""

    movie: MovieBody
    screenings: list[Screening]


def site_routes(embedded_inbox: bool) -> list[Any]:
    """The front page and its style sheet; `shows` has to be provided."""

    @get("/", include_in_schema=False)
    async def front_page(shows: NamedDependency[Shows]) -> Response[str]:
        upcoming = await shows.page(ShowFilter(from_at=datetime.now(UTC)), _SHOWS_ON_PAGE, None)
        html = _template().render(features=features(upcoming.items), inbox=embedded_inbox)
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return Response(html, media_type="text/html", headers=headers)

    return [front_page, _style]


def features(shows: list[ShowBody]) -> list[Feature]:
    """The shows by movie, in the order in which each movie is next on; cancelled ones are left out."""
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


@get("/site.css", include_in_schema=False, sync_to_thread=True)
def _style() -> Response[bytes]:
    style = resources.files("gateway").joinpath("web", "site.css").read_bytes()
    return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})


@lru_cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway", "web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html")
