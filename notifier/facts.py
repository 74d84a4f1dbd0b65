"""What a letter says beyond its event: who gets it, which show it is about, where the seats are.

Read when the letter is written, so that it says what is true then; nothing of it is stored with a delivery.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime

import msgspec

from runtime.postgres import Pool
from schemas.layout import decode_layout
from schemas.zones import zone_of
from tickets.places import SeatPlace, places_of

LAYOUTS_KEPT = 8
"""Layouts never change; a letter needs one, and a large one takes 20 ms to decode."""


class Recipient(msgspec.Struct, frozen=True):
    """Who gets a letter."""

    email: str
    username: str
    name: str
    language: str


class ShowFacts(msgspec.Struct, frozen=True):
    """What a letter says about a show. `starts_at` is in the show's own time zone."""

    title: str
    duration_minutes: int
    screen: str
    starts_at: datetime
    cancelled: bool
    layout_id: int


_RECIPIENT = "SELECT email, username, name, language FROM users WHERE user_id = $1 AND email IS NOT NULL"

_LINK_EMAIL = {
    "email_confirmation": "SELECT email FROM email_confirmations WHERE token_hash = $1 AND expires_at > now()",
    "email_undo": "SELECT email FROM email_undos WHERE token_hash = $1 AND expires_at > now()",
}

_SHOW = """
SELECT m.title, m.duration_minutes, s.screen_name, s.starts_at, s.timezone, s.layout_id,
       coalesce(t.status = 'cancelled', false) AS cancelled
  FROM shows s JOIN movies m USING (movie_id) LEFT JOIN show_states t USING (show_id)
 WHERE s.show_id = $1"""

_LAYOUT = "SELECT body FROM layouts WHERE layout_id = $1"


class Facts:
    """Reads facts from PostgreSQL; keeps the layouts that it saw last."""

    def __init__(self, pool: Pool, timezone: str) -> None:
        self._pool = pool
        self._timezone = timezone
        self._places: OrderedDict[int, dict[str, SeatPlace]] = OrderedDict()

    async def recipient(self, user_id: int) -> Recipient | None:
        """Who that is; None for an account that is forgotten or has never been."""
        row = await self._pool.fetchrow(_RECIPIENT, user_id)
        return (
            None
            if row is None
            else Recipient(row["email"], row["username"] or "", row["name"], row["language"])
        )

    async def link_email(self, kind: str, token: str) -> str | None:
        """The address that a link of this kind is for; None for one that is good no more."""
        email: str | None = await self._pool.fetchval(
            _LINK_EMAIL[kind], hashlib.sha256(token.encode()).digest()
        )
        return email

    async def show(self, show_id: int) -> ShowFacts:
        """A show as the catalogue has it now. Raises LookupError."""
        row = await self._pool.fetchrow(_SHOW, show_id)
        if row is None:
            raise LookupError(f"there is no show {show_id}")
        return ShowFacts(
            title=row["title"],
            duration_minutes=row["duration_minutes"],
            screen=row["screen_name"],
            starts_at=row["starts_at"].astimezone(zone_of(row["timezone"], self._timezone)),
            cancelled=row["cancelled"],
            layout_id=row["layout_id"],
        )

    async def places(self, layout_id: int) -> dict[str, SeatPlace]:
        """The place of every seat label of a layout. Raises LookupError."""
        if (known := self._places.get(layout_id)) is not None:
            self._places.move_to_end(layout_id)
            return known
        body = await self._pool.fetchval(_LAYOUT, layout_id)
        if body is None:
            raise LookupError(f"there is no layout {layout_id}")
        places = self._places[layout_id] = places_of(decode_layout(body))
        if len(self._places) > LAYOUTS_KEPT:
            self._places.popitem(last=False)
        return places
