"""The endpoints for the tickets of a booking: a PDF, the code of one seat as an image, and an entry of calendars."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from gateway.auth.access_tokens import Caller, Tokens
from gateway.bookings.requests import no_booking
from gateway.bookings.rows import booking_of_row
from gateway.commands.refusals import problem_of
from gateway.http.bodies import invalid
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.http.negotiation import check_accept
from gateway.http.problems import Problem
from gateway.tickets.renderer import TicketRenderer, ticket_etag
from languages.words import LANGUAGES, ORIGINAL, words
from runtime.shared_reads import SharedReads
from schemas.events import BookingStatus, Decision, Reason
from schemas.layout import decode_layout
from schemas.zones import zone_of
from tickets.calendar import MEDIA_TYPE as CALENDAR_TYPE
from tickets.calendar import calendar_entry
from tickets.codes import shown_code
from tickets.pdf import file_name
from tickets.places import PlacesCache, SeatPlaces
from tickets.ticket import Ticket, ticket_of

MEDIA_TYPE = "application/pdf"
CODE_TYPE = "image/svg+xml"
BYTES = "application/octet-stream"

_BOOKING_SQL = """
SELECT b.booking_id, b.show_id, b.user_id, b.status, b.seats, b.total, b.currency, b.created_ms,
       b.expires_ms,
       m.title, m.duration_minutes, s.screen_name, s.timezone, s.layout_id, coalesce(st.version, 0) AS version,
       coalesce(st.starts_ms, (extract(epoch FROM s.starts_at) * 1000)::bigint) AS starts_ms,
       coalesce(u.name, '') AS name, coalesce(u.language, 'en') AS language
  FROM bookings b
  JOIN shows s ON s.show_id = b.show_id
  JOIN movies m ON m.movie_id = s.movie_id
  LEFT JOIN show_states st ON st.show_id = b.show_id
  LEFT JOIN users u ON u.user_id = b.user_id
 WHERE b.booking_id = $1
"""
_LAYOUT_SQL = "SELECT body FROM layouts WHERE layout_id = $1"
NO_TICKET = {
    BookingStatus.HELD: Reason.NOT_CONFIRMED,
    BookingStatus.CANCELLED: Reason.ALREADY_CANCELLED,
    BookingStatus.RELEASED: Reason.ALREADY_CANCELLED,
    BookingStatus.EXPIRED: Reason.HOLD_EXPIRED,
}
"""The reason for which a booking that is not confirmed has no ticket."""


class TicketRoutes:
    """GET /api/bookings/{id}/ticket.pdf, …/ticket.svg and …/calendar.ics: only for the booking's owner and staff."""

    def __init__(
        self, tokens: Tokens, pool: Any, renderer: TicketRenderer, timezone: str, public_url: str
    ) -> None:
        self._tokens = tokens
        self._pool = pool
        self._places = PlacesCache(SharedReads(self._read_places))
        self._renderer = renderer
        self._timezone = timezone
        self._public_url = public_url

    async def ticket(self, exchange: Exchange, booking_id: UUID) -> None:
        """One document with a page for each seat."""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        media_type = _accepted(exchange, MEDIA_TYPE)
        ticket = await self._ticket(caller, booking_id)
        etag = ticket_etag(ticket)
        headers = [(b"etag", etag), (b"cache-control", b"private, no-cache"), (b"vary", b"Accept")]
        if not_modified(exchange.headers.get(b"if-none-match"), etag):
            exchange.respond_cacheable(304, b"", headers)
            return
        pdf = await self._renderer.render(ticket, etag, caller.user_id)
        headers.append((b"content-disposition", _attached(file_name(ticket))))
        exchange.respond_cacheable(200, pdf, headers, media_type.encode())

    async def code(self, exchange: Exchange, booking_id: UUID) -> None:
        """The QR code of one seat, the same as on its page of the PDF, with its section and row below."""
        caller = self._tokens.verify(exchange.authorization, time.time())
        label = exchange.parameters("seat").get("seat")
        if label is None:
            raise invalid(("seat", "the label of one of the booking's seats is wanted"))
        media_type = _accepted(exchange, CODE_TYPE)
        ticket = await self._ticket(caller, booking_id)
        labels = (label, unicodedata.normalize("NFC", label))
        seat = next((seat for seat in ticket.seats if seat.label in labels), None)
        if seat is None:
            raise invalid(("seat", "this booking has no such seat"))
        exchange.respond(200, shown_code(seat), content_type=media_type.encode())

    async def calendar(self, exchange: Exchange, booking_id: UUID) -> None:
        """The show as an entry of calendars."""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        media_type = _accepted(exchange, CALENDAR_TYPE)
        row = await self._row(caller, booking_id)
        ticket = await self._ticket_of_row(row)
        link = f"{self._public_url}/bookings/{booking_id}"
        entry = calendar_entry(ticket, _named_seats(ticket), link, datetime.now(UTC), sequence=row["version"])
        name = file_name(ticket).removesuffix(".pdf")
        if media_type == CALENDAR_TYPE:
            media_type += "; charset=utf-8"
        exchange.respond(
            200, entry, [(b"content-disposition", _attached(f"{name}.ics"))], media_type.encode()
        )

    async def _ticket(self, caller: Caller, booking_id: UUID) -> Ticket:
        """The ticket of a confirmed booking. Raises as `_row`."""
        return await self._ticket_of_row(await self._row(caller, booking_id))

    async def _row(self, caller: Caller, booking_id: UUID) -> Any:
        """The row of a confirmed booking. Raises Problem for others, and for other customers' bookings."""
        row = await self._pool.fetchrow(_BOOKING_SQL, booking_id)
        if row is None:
            raise no_booking(booking_id)
        if row["user_id"] != caller.user_id and not caller.staff:
            raise Problem("not_yours", "This booking is somebody else's; only its owner and staff see it.")
        if (reason := NO_TICKET.get(BookingStatus(row["status"]))) is not None:
            raise problem_of(Decision(reason))
        return row

    async def _read_places(self, layout_id: int) -> SeatPlaces:
        body = await self._pool.fetchval(_LAYOUT_SQL, layout_id)
        # A large layout takes tens of milliseconds to decode, which would block the event loop.
        return await asyncio.to_thread(_decode_places, body)

    async def _ticket_of_row(self, row: Any) -> Ticket:
        places = await self._places.get(row["layout_id"])
        booking = booking_of_row(row)
        starts_at = datetime.fromtimestamp(row["starts_ms"] // 1000, UTC)
        return ticket_of(
            booking,
            places.of(booking.seats),
            title=row["title"],
            screen=row["screen_name"],
            starts_at=starts_at.astimezone(zone_of(row["timezone"], self._timezone)),
            duration_minutes=row["duration_minutes"],
            holder=row["name"],
            language=row["language"],
        )


def _named_seats(ticket: Ticket) -> str:
    """The seats with the word for them in the language of the account."""
    code = ticket.language.lower().partition("-")[0]
    labels = ", ".join(seat.label for seat in ticket.seats)
    in_language = words(code if code in LANGUAGES else ORIGINAL)
    return in_language.ngettext("Seat: {seats}", "Seats: {seats}", len(ticket.seats), seats=labels)


def _decode_places(body: bytes) -> SeatPlaces:
    return SeatPlaces(decode_layout(body))


def _accepted(exchange: Exchange, media_type: str) -> str:
    """The media type of the response: the given one, or plain bytes for a client that accepts nothing else.

    Raises Problem `not_acceptable`.
    """
    accept = exchange.headers.get(b"accept", b"").decode("latin-1")
    try:
        check_accept(accept, media_type)
    except Problem as problem:
        try:
            check_accept(accept, BYTES)
        except Problem:
            raise problem from None
        return BYTES
    return media_type


def _attached(name: str) -> bytes:
    if name.isascii():
        return f'attachment; filename="{name}"'.encode()
    return f"attachment; filename=\"ticket.pdf\"; filename*=UTF-8''{quote(name)}".encode()
