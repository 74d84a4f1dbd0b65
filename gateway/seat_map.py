"""The seat map of a show: sections and rows as the layout has them, and one letter per seat. Plain ASGI.

Version and claims are read in one statement, so the letters are those of exactly that version; the layout
never changes and is kept in memory, written out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.http import Exchange
from gateway.problems import Problem
from schemas.layout import Layout, Row, decode_layout

_MAX_LAYOUTS = 1_000

_VERSION = """
    SELECT s.layout_id, coalesce(t.version, -1) AS version
      FROM shows s LEFT JOIN show_states t USING (show_id) WHERE s.show_id = $1"""
_PICTURE = """
    SELECT coalesce(t.version, -1) AS version, c.seats, c.states
      FROM shows s LEFT JOIN show_states t USING (show_id)
      LEFT JOIN LATERAL (SELECT array_agg(seat) AS seats, string_agg(state::text, '') AS states
                           FROM claims WHERE show_id = s.show_id) c ON true
     WHERE s.show_id = $1"""
_LAYOUT = "SELECT body FROM layouts WHERE layout_id = $1"


class SeatMapRoutes:
    """GET /api/shows/{id}/seats"""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._layouts: dict[int, tuple[int, bytes]] = {}

    async def seats(self, exchange: Exchange, show_id: int) -> None:
        """Answers the map, or 304 when the client has it already."""
        exchange.parameters()
        show = await self._pool.fetchrow(_VERSION, show_id)
        if show is None:
            raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
        if _names(exchange.headers.get(b"if-none-match"), _etag(show_id, show["version"])):
            await exchange.answer(304, b"", [(b"etag", _etag(show_id, show["version"]))])
            return
        total, sections = await self._layout(show["layout_id"])
        picture = await self._pool.fetchrow(_PICTURE, show_id)
        version = picture["version"]
        states = bytearray(b"a" * total)
        for seat, letter in zip(picture["seats"] or (), (picture["states"] or "").encode(), strict=True):
            states[seat] = letter
        head = b'{"show_id":%d,"version":%d,"sections":' % (show_id, version)
        body = b"".join((head, sections, b',"states":"', states, b'"}'))
        await exchange.answer(200, body, [(b"etag", _etag(show_id, version))])

    async def _layout(self, layout_id: int) -> tuple[int, bytes]:
        known = self._layouts.get(layout_id)
        if known is None:
            layout = decode_layout(await self._pool.fetchval(_LAYOUT, layout_id))
            total = sum(len(row) for section in layout.sections for row in section.rows)
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            known = self._layouts[layout_id] = (total, msgspec.json.encode(list(_sections(layout))))
        return known


def _sections(layout: Layout) -> Iterable[dict[str, Any]]:
    for section in layout.sections:
        yield {"name": section.name, "price": section.price, "rows": [_row(row) for row in section.rows]}


def _row(row: Row) -> dict[str, Any]:
    return {"name": row.name, "seats": row.labels(), "aisles_after": row.aisles_after}


def _etag(show_id: int, version: int) -> bytes:
    return b'"%d.%d"' % (show_id, version)


def _names(if_none_match: bytes | None, etag: bytes) -> bool:
    if if_none_match is None:
        return False
    given = [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]
    return etag in given or given == [b"*"]
