"""The programme, `/`: what is on, with search and filters.

Without JavaScript its form is an ordinary one; programme.js fetches the same addresses and exchanges the results.
Everything, and each of the coming days, is cached for each language. Other filters are rendered for each request, one
at a time, so that no client can fill the cache or keep bookings waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, ReadResult, ResponseCache
from gateway.catalogue.zones import Zones
from gateway.http.etags import etag_of
from gateway.http.exchange import Exchange
from gateway.http.problems import Problem
from gateway.site.cached_pages import respond_cached
from gateway.site.days import NAMES, day_range, is_one_day, today_in
from gateway.site.folding import folded
from gateway.site.languages import language_of
from gateway.site.names import language_name, language_of_title, translated
from gateway.site.programme_data import DATA_AGE_S, Programme, ProgrammeData
from gateway.site.programme_filter import EVERYTHING, ProgrammeFilter, read_filter
from gateway.site.programme_views import Choices, Day, ProgrammeView, choices_of, named_day, programme_view
from gateway.site.rendering import RenderedPage, Renderer
from gateway.site.responses import respond_page

MAX_PENDING = 50
"""Searches that wait for their turn."""


class ProgrammePage:
    """GET /"""

    def __init__(
        self,
        response_cache: ResponseCache,
        data: ProgrammeData,
        renderer: Renderer,
        zones: Zones,
        public_url: str,
    ) -> None:
        self._response_cache = response_cache
        self._data = data
        self._renderer = renderer
        self._zones = zones
        self._public_url = public_url.rstrip("/")
        self._turn = asyncio.Lock()
        self._pending = 0
        self._offered: tuple[Programme, date, Choices] | None = None

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Responds with the page, which may be a second old."""
        language = language_of(exchange)
        wanted = read_filter(exchange.query)
        today = today_in(self._zones.default, datetime.now(UTC))
        if not wanted.is_common(today):
            return self._render_and_respond(exchange, language, wanted, today)
        read = partial(self._read, language, wanted, today)
        return respond_cached(exchange, self._response_cache, _key(language, wanted, today), read)

    async def _read(self, language: str, wanted: ProgrammeFilter, today: date) -> ReadResult:
        # The number of seats left may be as old again as the data.
        return ReadResult(await self._render(language, wanted, today), DEPENDS_ON_CATALOGUE, DATA_AGE_S)

    async def _render_and_respond(
        self, exchange: Exchange, language: str, wanted: ProgrammeFilter, today: date
    ) -> None:
        if self._pending >= MAX_PENDING:
            raise Problem("overloaded", "Many people are searching: try again in a moment.", retry_after_s=1)
        self._pending += 1
        try:
            async with self._turn:
                body = await self._render(language, wanted, today)
        finally:
            self._pending -= 1
        respond_page(exchange, RenderedPage(body, etag_of(body)))

    def _choices(self, programme: Programme, today: date) -> Choices:
        """What the filters offer, which is the same for all requests of half a second."""
        if self._offered is None or self._offered[0] is not programme or self._offered[1] != today:
            self._offered = programme, today, choices_of(programme, today)
        return self._offered[2]

    async def _render(self, language: str, wanted: ProgrammeFilter, today: date) -> bytes:
        programme = await self._data.get()
        choices = self._choices(programme, today)
        # In a thread, since a long page takes ten milliseconds, for which no booking should wait.
        return await asyncio.to_thread(self._page, programme, choices, language, wanted, today)

    def _page(
        self, programme: Programme, choices: Choices, language: str, wanted: ProgrammeFilter, today: date
    ) -> bytes:
        view = programme_view(programme, wanted, today, choices)
        return self._renderer.render(
            "programme.html",
            language,
            view=view,
            wanted=wanted,
            everything=EVERYTHING,
            one_day=is_one_day(wanted.day),
            other_day=_other_day(view, wanted, today),
            options=_options,
            same=_same,
            language_of_title=language_of_title,
            public_url=self._public_url,
            word=lambda text: translated(text, language),
            language_name=lambda text: language_name(text, language),
        )


def _other_day(view: ProgrammeView, wanted: ProgrammeFilter, today: date) -> Day | None:
    """The day that is asked for, if it is not among those to choose from."""
    days = day_range(wanted.day, today)
    if days is None or wanted.day in NAMES:
        return None
    day = named_day(days.first, today)
    return None if not day.name and day in view.choices.days else day


def _options(choices: list[str], chosen: str) -> list[str]:
    """What a list offers: its choices, and what the address names, be it among them or not."""
    return choices if not chosen or any(_same(choice, chosen) for choice in choices) else [*choices, chosen]


def _same(word: str, chosen: str) -> bool:
    return folded(word) == folded(chosen)


def _key(language: str, wanted: ProgrammeFilter, today: date) -> tuple[str, str, str, date]:
    return "programme", language, wanted.day, today
