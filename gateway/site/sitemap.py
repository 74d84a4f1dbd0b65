"""Files for search engines and home screens: `/robots.txt`, `/sitemap.xml`, `/site.webmanifest`."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from html import escape
from typing import Any

from gateway.catalogue.response_cache import DEPENDS_ON_CATALOGUE, CachedResponse, ReadResult, ResponseCache
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.site.assets import Assets
from gateway.site.programme_data import ProgrammeData

REFRESH_S = 60.0
_KEY = "sitemap"
_HOUR = (b"cache-control", b"public, max-age=3600")


class Sitemap:
    """GET /sitemap.xml: the programme, its films and their shows."""

    def __init__(self, response_cache: ResponseCache, data: ProgrammeData, public_url: str) -> None:
        self._response_cache = response_cache
        self._data = data
        self._public_url = public_url.rstrip("/")

    def __call__(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Responds with the sitemap."""
        known = self._response_cache.get_fresh(_KEY)
        if known is None:
            return self._read_and_respond(exchange)
        _respond(exchange, known)
        return None

    async def _read_and_respond(self, exchange: Exchange) -> None:
        _respond(exchange, await self._response_cache.get(_KEY, self._read))

    async def _read(self) -> ReadResult:
        programme = await self._data.get()
        paths = [
            "/",
            *(f"/movies/{movie.id}" for movie in programme.movies),
            *(f"/shows/{show.id}" for show in programme.shows),
        ]
        entries = "\n".join(f"<url><loc>{escape(self._public_url + path)}</loc></url>" for path in paths)
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}\n</urlset>\n'
        )
        return ReadResult(body.encode(), DEPENDS_ON_CATALOGUE, REFRESH_S)


class Robots:
    """GET /robots.txt: films and shows may be found, accounts and the API need not be."""

    def __init__(self, public_url: str) -> None:
        self._body = (
            "User-agent: *\n"
            "Disallow: /api/\nDisallow: /account\nDisallow: /bookings/\nDisallow: /login\nDisallow: /signup\n"
            "Disallow: /password/\nDisallow: /email/\nDisallow: /inbox\n"
            f"\nSitemap: {public_url.rstrip('/')}/sitemap.xml\n"
        ).encode()

    def __call__(self, exchange: Exchange) -> None:
        """Responds with the rules."""
        exchange.respond_cacheable(200, self._body, [_HOUR], b"text/plain; charset=utf-8")


class Manifest:
    """GET /site.webmanifest: name, colours and icon, for a place on the home screen."""

    def __init__(self, assets: Assets) -> None:
        icon = {"src": assets.address("images/icon.svg"), "sizes": "any", "type": "image/svg+xml"}
        self._body = json.dumps(
            {
                "name": "Aisle",
                "short_name": "Aisle",
                "start_url": "/",
                "display": "minimal-ui",
                "background_color": "#10182b",
                "theme_color": "#10182b",
                "icons": [icon],
            }
        ).encode()

    def __call__(self, exchange: Exchange) -> None:
        """Responds with the manifest."""
        exchange.respond_cacheable(200, self._body, [_HOUR], b"application/manifest+json")


def _respond(exchange: Exchange, found: CachedResponse) -> None:
    headers = [(b"etag", found.etag), _HOUR]
    if not_modified(exchange.headers.get(b"if-none-match"), found.etag):
        exchange.respond_cacheable(304, b"", headers)
    else:
        exchange.respond_cacheable(200, found.body, headers, b"application/xml; charset=utf-8")
