"""Pages that many open: rendered once for all who ask for them in the same second or so."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway.catalogue.response_cache import Key, Read, ResponseCache
from gateway.http.exchange import Exchange
from gateway.site.responses import respond_page


def respond_cached(
    exchange: Exchange, cache: ResponseCache, key: Key, read: Read, show_id: int = 0
) -> Coroutine[Any, Any, None] | None:
    """Responds with the page under `key`, at once where it is fresh. `show_id`: the show that it is about, if any."""
    known = cache.get_fresh(key)
    if known is None:
        return _read_and_respond(exchange, cache, key, read, show_id)
    respond_page(exchange, known)
    return None


async def _read_and_respond(
    exchange: Exchange, cache: ResponseCache, key: Key, read: Read, show_id: int
) -> None:
    respond_page(exchange, await cache.get(key, read, show_id))
