"""The page of a show, `/shows/{id}`: all about it, and the frame in which its scripts let customers choose seats."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from markupsafe import Markup

from gateway.catalogue.response_cache import ReadResult, ResponseCache
from gateway.catalogue.shows import Shows
from gateway.http.exchange import Exchange
from gateway.site.cached_pages import respond_cached
from gateway.site.languages import language_of
from gateway.site.link_previews import link_preview
from gateway.site.names import language_name, translated
from gateway.site.rendering import Renderer
from gateway.site.structured_data import Data, data_block, script_json, show_data
from schemas.api_catalogue import ShowBody

REFRESH_S = 1.0
_OVER = ("cancelled", "past")


class ShowPage:
    """GET /shows/{id}"""

    def __init__(
        self, response_cache: ResponseCache, shows: Shows, renderer: Renderer, public_url: str
    ) -> None:
        self._response_cache = response_cache
        self._shows = shows
        self._renderer = renderer
        self._public_url = public_url.rstrip("/")

    def __call__(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """Responds with the page. Raises Problem `not_found`."""
        language = language_of(exchange)
        read = partial(self._read, language, show_id)
        return respond_cached(exchange, self._response_cache, ("show page", show_id, language), read, show_id)

    async def _read(self, language: str, show_id: int) -> ReadResult:
        found = await self._shows.cacheable(show_id)
        body = self._render(language, found.body)
        return ReadResult(body, found.partition, min(found.max_age_s, REFRESH_S))

    def _render(self, language: str, show: ShowBody) -> bytes:
        prices = sorted((entry.price for entry in show.prices), key=lambda price: price.amount)
        address, preview = f"{self._public_url}/shows/{show.id}", link_preview(show.movie, self._public_url)
        film = f"{self._public_url}/movies/{show.movie.id}"
        return self._renderer.render(
            "show.html",
            language,
            show=show,
            movie=show.movie,
            choosing=show.status not in _OVER,
            lowest=prices[0],
            highest=prices[-1],
            address=address,
            summary=preview.summary,
            preview=preview,
            structured=data_block(show_data(show, address, preview.image, film)),
            word=lambda text: translated(text, language),
            language_name=lambda text: language_name(text, language),
            data=script_data(show),
        )


def script_data(show: ShowBody) -> Markup:
    """What the scripts know of the show when they start, as JSON for a data block."""
    data: Data = {
        "id": show.id,
        "status": show.status,
        "starts_at": show.starts_at,
        "timezone": show.timezone,
        "seats_per_customer": show.seats_per_customer,
        "sales_start_at": show.sales_start_at,
    }
    return script_json(data)
