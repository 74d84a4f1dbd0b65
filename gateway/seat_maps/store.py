"""Reads of seat maps from PostgreSQL: version and seats in one statement, so that they are consistent."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import NOT_OPENED, Claims, ShowTerms
from runtime.shared_reads import SharedReads

_READ = f"""
    SELECT s.layout_id, t.status, coalesce(t.version, {NOT_OPENED}) AS version,
           coalesce(t.starts_ms, extract(epoch FROM s.starts_at) * 1000)::bigint AS starts_ms,
           t.sales_start_ms, t.sales_end_ms, c.seats, c.letters
      FROM shows s LEFT JOIN show_states t USING (show_id)
      LEFT JOIN LATERAL (
           SELECT array_agg(seat) AS seats, string_agg(state::text, '') AS letters
             FROM claims WHERE show_id = s.show_id AND coalesce(t.version, {NOT_OPENED}) <> $2) c ON true
     WHERE s.show_id = $1"""
"""Reads claims only when the version differs from the known one."""

_VERSIONS = "SELECT show_id, version FROM show_states WHERE show_id = ANY ($1::int[])"
_LAYOUT = "SELECT body FROM layouts WHERE layout_id = $1"


class StoredSeatMap(msgspec.Struct, frozen=True):
    """A show's seats as of one version."""

    layout_id: int
    version: int
    terms: ShowTerms
    claims: Claims
    """Empty when the version was known."""


class SeatMapStore:
    """Reader of seats, versions and layouts."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._read_layout = SharedReads(self._decoded_layout)
        self._layouts: WeakValueDictionary[int, EncodedLayout] = WeakValueDictionary()

    async def read(self, show_id: int, known_version: int) -> StoredSeatMap | None:
        """Reads the seats of a show, without claims if the version is `known_version`; None for an unknown show."""
        row = await self._pool.fetchrow(_READ, show_id, known_version)
        if row is None:
            return None
        return StoredSeatMap(
            row["layout_id"],
            row["version"],
            ShowTerms(row["status"], row["starts_ms"], row["sales_start_ms"], row["sales_end_ms"]),
            list(zip(row["seats"] or (), (row["letters"] or "").encode(), strict=True)),
        )

    async def versions(self, show_ids: Collection[int]) -> dict[int, int]:
        """Reads the versions of the given shows that have been opened."""
        return dict(await self._pool.fetch(_VERSIONS, list(show_ids)))

    async def layout(self, layout_id: int) -> EncodedLayout:
        """Returns a layout. It never changes, and is cached while a snapshot refers to it."""
        return self._layouts.get(layout_id) or await self._read_layout(layout_id)

    async def _decoded_layout(self, layout_id: int) -> EncodedLayout:
        body = await self._pool.fetchval(_LAYOUT, layout_id)
        # 100,000 seats take tens of milliseconds to decode, which would block the event loop.
        layout = self._layouts[layout_id] = await asyncio.to_thread(EncodedLayout, body)
        return layout
