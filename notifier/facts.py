"""The facts of an e-mail that its event does not have: recipient, show, places of the seats.

They are read when the e-mail is composed, so it states what is true then. A delivery stores none of them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from runtime.postgres import Pool
from runtime.shared_reads import SharedReads
from schemas.layout import decode_layout
from schemas.zones import zone_of
from tickets.places import PlacesCache, SeatPlaces


class Recipient(msgspec.Struct, frozen=True):
    """The addressee of an e-mail."""

    email: str
    username: str
    name: str
    language: str


class ShowFacts(msgspec.Struct, frozen=True):
    """The show that an e-mail is about. `starts_at` is in the show's own time zone."""

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
    """Reads facts from PostgreSQL. Layouts are cached."""

    def __init__(self, pool: Pool, timezone: str) -> None:
        self._pool = pool
        self._timezone = timezone
        self._places = PlacesCache(SharedReads(self._read_places))

    async def recipient(self, user_id: int) -> Recipient | None:
        """The owner of an account; None for an account that was deleted or never existed."""
        row = await self._pool.fetchrow(_RECIPIENT, user_id)
        return (
            None
            if row is None
            else Recipient(row["email"], row["username"] or "", row["name"], row["language"])
        )

    async def link_email(self, kind: str, token: str) -> str | None:
        """The address that a link of this kind is for; None for a link that is no longer valid."""
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

    async def places(self, layout_id: int) -> SeatPlaces:
        """The places of a layout's seats. Raises LookupError."""
        return await self._places.get(layout_id)

    async def _read_places(self, layout_id: int) -> SeatPlaces:
        body = await self._pool.fetchval(_LAYOUT, layout_id)
        if body is None:
            raise LookupError(f"there is no layout {layout_id}")
        return SeatPlaces(decode_layout(body))
