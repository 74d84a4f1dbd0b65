"""The page of a film, `/movies/{id}`: all about it, and its shows by day."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

from gateway.catalogue.movies import Movies
from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, ReadResult, ResponseCache
from gateway.catalogue.shows import ShowFilter, Shows, UpcomingShow
from gateway.catalogue.zones import Zones
from gateway.http.etags import etag_of
from gateway.http.exchange import Exchange
from gateway.http.pagination import MAX_CURSOR
from gateway.http.problems import Problem
from gateway.site.cached_pages import respond_cached
from gateway.site.days import today_in
from gateway.site.languages import language_of
from gateway.site.link_previews import link_preview
from gateway.site.names import language_name, language_of_title, translated
from gateway.site.posters import poster_of
from gateway.site.programme_views import DayView, day_views
from gateway.site.rendering import RenderedPage, Renderer
from gateway.site.responses import respond_page
from gateway.site.structured_data import data_block, movie_data
from schemas.api_catalogue import ShowBody, ShowsPage
from schemas.layout import Money

REFRESH_S = 1.0
_SHOWS_ON_PAGE = 60


class MoviePage:
    """GET /movies/{id}"""

    def __init__(
        self,
        response_cache: ResponseCache,
        movies: Movies,
        shows: Shows,
        renderer: Renderer,
        zones: Zones,
        public_url: str,
    ) -> None:
        self._response_cache = response_cache
        self._movies = movies
        self._shows = shows
        self._renderer = renderer
        self._zones = zones
        self._public_url = public_url.rstrip("/")

    def __call__(self, exchange: Exchange, movie_id: int) -> Coroutine[Any, Any, None] | None:
        """Responds with the page. Raises Problem `not_found`."""
        language, cursor = language_of(exchange), _cursor(exchange.query)
        if cursor is not None:
            return self._render_and_respond(exchange, language, movie_id, cursor)
        read = partial(self._read, language, movie_id)
        return respond_cached(exchange, self._response_cache, ("movie page", movie_id, language), read)

    async def _read(self, language: str, movie_id: int) -> ReadResult:
        return ReadResult(await self._render(language, movie_id, None), DEPENDS_ON_CATALOGUE, REFRESH_S)

    async def _render_and_respond(
        self, exchange: Exchange, language: str, movie_id: int, cursor: str | None
    ) -> None:
        body = await self._render(language, movie_id, cursor)
        respond_page(exchange, RenderedPage(body, etag_of(body)))

    async def _render(self, language: str, movie_id: int, cursor: str | None) -> bytes:
        movie = await self._movies.get(movie_id)
        now = datetime.now(UTC)
        shows = await self._upcoming(movie_id, now, cursor)
        address, poster = f"{self._public_url}/movies/{movie.id}", poster_of(movie)
        preview = link_preview(movie, self._public_url)
        return self._renderer.render(
            "movie.html",
            language,
            movie=movie,
            poster=poster,
            days=movie_days(shows.items, today=today_in(self._zones.default, now)),
            next_show=next(
                (show for show in shows.items if show.status == "on_sale" and show.available_seats), None
            ),
            prices=lowest_prices(shows.items),
            earlier=cursor is not None,
            later=shows.next_cursor and f"/movies/{movie.id}?after={quote(shows.next_cursor)}#shows",
            address=address,
            preview=preview,
            structured=data_block(movie_data(movie, address, preview.image, shows.items, self._public_url)),
            word=lambda text: translated(text, language),
            language_name=lambda text: language_name(text, language),
            language_of_title=language_of_title,
        )

    async def _upcoming(self, movie_id: int, now: datetime, cursor: str | None) -> ShowsPage:
        """The shows after a cursor; the first ones, should somebody have changed it."""
        criteria = ShowFilter(movie_id=movie_id, from_at=now)
        try:
            return await self._shows.page(criteria, _SHOWS_ON_PAGE, cursor)
        except Problem as problem:
            if problem.code != "validation" or cursor is None:
                raise
        return await self._shows.page(criteria, _SHOWS_ON_PAGE, None)


class Price(NamedTuple):
    """The lowest price of a show, and whether there are higher ones."""

    lowest: Money
    is_only: bool


def movie_days(shows: Iterable[ShowBody], today: date) -> list[DayView]:
    """The shows by day. Cancelled ones stay, so that who comes for them sees it."""
    return day_views([_in_short(show) for show in shows], today)


def lowest_prices(shows: Iterable[ShowBody]) -> dict[int, Price]:
    """The lowest price of each show that has one currency."""
    found = {}
    for show in shows:
        prices = sorted((entry.price for entry in show.prices), key=lambda price: price.amount)
        if prices and len({price.currency for price in prices}) == 1:
            found[show.id] = Price(prices[0], prices[0].amount == prices[-1].amount)
    return found


def _in_short(show: ShowBody) -> UpcomingShow:
    return UpcomingShow(
        id=show.id,
        movie_id=show.movie.id,
        screen_name=show.screen_name,
        starts_ms=_ms(show.starts_at),
        timezone=show.timezone,
        status=show.status,
        available_seats=show.available_seats,
        total_seats=show.total_seats,
        sales_start_ms=None if show.sales_start_at is None else _ms(show.sales_start_at),
    )


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def _cursor(query: bytes) -> str | None:
    """The cursor that a query names. Anything else in an address is ignored."""
    if b"after=" not in query:
        return None
    try:
        given = dict(parse_qsl(query.decode("ascii", "replace"), errors="replace", max_num_fields=50)).get(
            "after", ""
        )
    except ValueError:
        return None
    return given if 0 < len(given) <= MAX_CURSOR else None
