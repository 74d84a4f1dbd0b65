"""The endpoint for the tickets of a booking as a PDF."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from gateway.auth.access_tokens import Tokens
from gateway.bookings.requests import no_booking
from gateway.bookings.rows import booking_of_row
from gateway.commands.refusals import problem_of
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange
from gateway.http.negotiation import check_accept
from gateway.http.problems import Problem
from gateway.tickets.renderer import TicketRenderer, ticket_etag
from schemas.events import BookingStatus, Decision, Reason
from schemas.layout import decode_layout
from schemas.zones import zone_of
from tickets.pdf import file_name
from tickets.places import PlacesCache, SeatPlaces
from tickets.ticket import Ticket, ticket_of

MEDIA_TYPE = "application/pdf"
BYTES = "application/octet-stream"

_BOOKING_SQL = """
SELECT b.booking_id, b.show_id, b.user_id, b.status, b.seats, b.total, b.currency, b.created_ms,
       b.expires_ms,
       m.title, m.duration_minutes, s.screen_name, s.timezone, s.layout_id,
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
_NO_TICKET = {
    BookingStatus.HELD: Reason.NOT_CONFIRMED,
    BookingStatus.CANCELLED: Reason.ALREADY_CANCELLED,
    BookingStatus.RELEASED: Reason.ALREADY_CANCELLED,
    BookingStatus.EXPIRED: Reason.HOLD_EXPIRED,
}
"""The reason for which a booking that is not confirmed has no ticket."""


class TicketRoutes:
    """GET /api/bookings/{id}/ticket.pdf"""

    def __init__(self, tokens: Tokens, pool: Any, renderer: TicketRenderer, timezone: str) -> None:
        self._tokens = tokens
        self._pool = pool
        self._places = PlacesCache(self._read_places)
        self._renderer = renderer
        self._timezone = timezone

    async def ticket(self, exchange: Exchange, booking_id: UUID) -> None:
        """One document with a page for each seat. Only for the booking's owner and staff."""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        media_type = _accepted(exchange.headers.get(b"accept", b"").decode("latin-1"))
        row = await self._pool.fetchrow(_BOOKING_SQL, booking_id)
        if row is None:
            raise no_booking(booking_id)
        if row["user_id"] != caller.user_id and not caller.staff:
            raise Problem("not_yours", "This booking is somebody else's; only its owner and staff see it.")
        if (reason := _NO_TICKET.get(BookingStatus(row["status"]))) is not None:
            raise problem_of(Decision(reason))
        ticket = await self._ticket(row)
        etag = ticket_etag(ticket)
        headers = [(b"etag", etag), (b"cache-control", b"private, no-cache"), (b"vary", b"Accept")]
        if not_modified(exchange.headers.get(b"if-none-match"), etag):
            exchange.respond_cacheable(304, b"", headers)
            return
        pdf = await self._renderer.render(ticket, etag, caller.user_id)
        headers.append((b"content-disposition", _attached(file_name(ticket))))
        exchange.respond_cacheable(200, pdf, headers, media_type.encode())

    async def _read_places(self, layout_id: int) -> SeatPlaces:
        body = await self._pool.fetchval(_LAYOUT_SQL, layout_id)
        # A large layout takes tens of milliseconds to decode, which would block the event loop.
        return await asyncio.to_thread(_decode_places, body)

    async def _ticket(self, row: Any) -> Ticket:
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


def _decode_places(body: bytes) -> SeatPlaces:
    return SeatPlaces(decode_layout(body))


def _accepted(accept: str) -> str:
    """The media type of the response: PDF, or plain bytes for a client that accepts nothing else.

    Raises Problem `not_acceptable`.
    """
    try:
        check_accept(accept, MEDIA_TYPE)
    except Problem as problem:
        try:
            check_accept(accept, BYTES)
        except Problem:
            raise problem from None
        return BYTES
    return MEDIA_TYPE


def _attached(name: str) -> bytes:
    if name.isascii():
        return f'attachment; filename="{name}"'.encode()
    return f"attachment; filename=\"ticket.pdf\"; filename*=UTF-8''{quote(name)}".encode()
