"""The facts of an e-mail that its event does not have: recipient, show, places of the seats.

They are read when the e-mail is composed, so it states what is true then. A delivery stores none of them.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import Pool
from runtime.shared_reads import SharedReads
from schemas.events import Booking, BookingStatus
from schemas.layout import decode_layout
from schemas.zones import zone_of
from tickets.places import PlacesCache, SeatPlaces


class _CommandType(msgspec.Struct):
    """The part of a command, also of a later release, that says what it was."""

    type: str


_command_type = msgspec.json.Decoder(_CommandType).decode


class Recipient(msgspec.Struct, frozen=True):
    """The addressee of an e-mail."""

    email: str
    name: str
    """Empty where the address is not confirmed: nothing that a stranger typed goes there."""
    language: str
    user_id: int = 0
    confirmed: bool = True
    """Whether the owner of the address has confirmed it."""
    reminders: bool = True
    summaries: bool = True


class ShowFacts(msgspec.Struct, frozen=True):
    """The show that an e-mail is about. `starts_at` is in the show's own time zone."""

    title: str
    duration_minutes: int
    screen: str
    starts_at: datetime
    cancelled: bool
    layout_id: int
    show_id: int = 0
    total_seats: int = 0
    available: int = 0
    version: int = 0
    """Offset of the show's last change in the log; grows."""


class Sales(msgspec.Struct, frozen=True):
    """What was sold on a day in one currency; amounts in minor units."""

    currency: str
    bookings: int
    seats: int
    gross: int
    cancelled_bookings: int
    cancelled_seats: int
    cancelled: int


class Summary(msgspec.Struct, frozen=True):
    """A day's sales, and the shows of the day after."""

    day: date
    sales: tuple[Sales, ...]
    shows: tuple[ShowFacts, ...]


_RECIPIENT = """
SELECT email, name, language, email_confirmed, reminders, summaries FROM users
 WHERE user_id = $1 AND email IS NOT NULL"""

_LINK_EMAIL = {
    "email_confirmation": "SELECT email FROM email_confirmations WHERE token_hash = $1 AND expires_at > now()",
    "email_undo": "SELECT email FROM email_undos WHERE token_hash = $1 AND expires_at > now()",
}

# The seat worker's start counts once it has opened the show; the catalogue's copy may be a moment older.
_SHOWS = """
SELECT s.show_id, m.title, m.duration_minutes, s.screen_name, s.timezone, s.layout_id, l.total_seats,
       coalesce(to_timestamp(t.starts_ms / 1000.0), s.starts_at) AS starts_at,
       coalesce(t.status = 'cancelled', false) AS cancelled,
       coalesce(t.available, l.total_seats) AS available, coalesce(t.version, 0) AS version
  FROM shows s JOIN movies m USING (movie_id) JOIN layouts l USING (layout_id) LEFT JOIN show_states t USING (show_id)
"""
_SHOW = f"{_SHOWS} WHERE s.show_id = $1"
_SHOWS_OF_DAY = f"""{_SHOWS}
 WHERE s.starts_at >= $1 AND s.starts_at < $2 AND t.status IS DISTINCT FROM 'cancelled'
 ORDER BY s.starts_at, s.show_id LIMIT 1000"""

_SALES = """
SELECT currency, sum(bookings)::bigint AS bookings, sum(seats)::bigint AS seats, sum(gross)::bigint AS gross,
       sum(cancelled_bookings)::bigint AS cancelled_bookings, sum(cancelled_seats)::bigint AS cancelled_seats,
       sum(cancelled)::bigint AS cancelled
  FROM report_sales WHERE day = $1 GROUP BY currency ORDER BY currency"""

_BOOKING = """
SELECT booking_id, show_id, user_id, status, seats, total, currency, created_ms FROM bookings WHERE booking_id = $1"""

_CANCELLED_BY = "SELECT command FROM decisions WHERE partition = $1 AND log_offset = $2"

_UNSUBSCRIBE_KEY = "SELECT key FROM unsubscribe_key"

_LAYOUT = "SELECT body FROM layouts WHERE layout_id = $1"


class Facts:
    """Reads facts from PostgreSQL. Layouts are cached."""

    def __init__(self, pool: Pool, timezone: str) -> None:
        self._pool = pool
        self._timezone = timezone
        self._key: bytes | None = None
        self._places = PlacesCache(SharedReads(self._read_places))

    async def recipient(self, user_id: int) -> Recipient | None:
        """The owner of an account; None for an account that was deleted or never existed."""
        row = await self._pool.fetchrow(_RECIPIENT, user_id)
        if row is None:
            return None
        return Recipient(
            row["email"],
            row["name"] if row["email_confirmed"] else "",
            row["language"],
            user_id,
            confirmed=row["email_confirmed"],
            reminders=row["reminders"],
            summaries=row["summaries"],
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
        return self._show_of(row)

    def in_zone(self, moment: datetime, timezone: str) -> datetime:
        """A moment in a show's time zone; in the venue's where the show's is not usable."""
        return moment.astimezone(zone_of(timezone, self._timezone))

    async def booking(self, booking_id: UUID) -> Booking | None:
        """A booking as it is now."""
        row = await self._pool.fetchrow(_BOOKING, booking_id)
        if row is None:
            return None
        return Booking(
            booking_id=UUID(int=row["booking_id"].int),
            show_id=row["show_id"],
            user_id=row["user_id"],
            status=BookingStatus(row["status"]),
            seats=tuple(row["seats"]),
            total=row["total"],
            currency=row["currency"],
            created_ms=row["created_ms"],
        )

    async def cancelled_with_show(self, event_id: str) -> bool:
        """Whether a booking of a cancelled show was cancelled by that, and not by somebody before.

        True where the decision is no longer kept.
        """
        partition, offset, _ = event_id.split("-", 2)
        command = await self._pool.fetchval(_CANCELLED_BY, int(partition), int(offset))
        return command is None or _command_type(command).type == "CancelShow"

    async def summary(self, day: str) -> Summary:
        """The sales of a day, `2026-11-30`, in the venue's time zone, and the shows of the day after."""
        of_day = date.fromisoformat(day)
        sales = await self._pool.fetch(_SALES, of_day)
        zone = zone_of(self._timezone, self._timezone)
        midnights = [datetime.combine(of_day + timedelta(days=n), time(), zone) for n in (1, 2)]
        shows = await self._pool.fetch(_SHOWS_OF_DAY, *midnights)
        return Summary(
            of_day, tuple(Sales(**dict(row)) for row in sales), tuple(self._show_of(row) for row in shows)
        )

    async def unsubscribe_key(self) -> bytes:
        """The key that signs the links that switch e-mails off."""
        if self._key is None:
            self._key = await self._pool.fetchval(_UNSUBSCRIBE_KEY)
        assert self._key is not None
        return self._key

    def _show_of(self, row: asyncpg.Record) -> ShowFacts:
        return ShowFacts(
            title=row["title"],
            duration_minutes=row["duration_minutes"],
            screen=row["screen_name"],
            starts_at=self.in_zone(row["starts_at"], row["timezone"]),
            cancelled=row["cancelled"],
            layout_id=row["layout_id"],
            show_id=row["show_id"],
            total_seats=row["total_seats"],
            available=row["available"],
            version=row["version"],
        )

    async def places(self, layout_id: int) -> SeatPlaces:
        """The places of a layout's seats. Raises LookupError."""
        return await self._places.get(layout_id)

    async def _read_places(self, layout_id: int) -> SeatPlaces:
        body = await self._pool.fetchval(_LAYOUT, layout_id)
        if body is None:
            raise LookupError(f"there is no layout {layout_id}")
        return SeatPlaces(decode_layout(body))
