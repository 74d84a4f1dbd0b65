"""The tickets of a booking, to be printed or shown at the door."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from gateway.accepting import check_accept
from gateway.auth import Tokens
from gateway.booking_commands import no_booking
from gateway.etags import has
from gateway.http import Exchange
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.seat_places import HousePlans
from gateway.ticket_printing import TicketPrinter, ticket_etag
from schemas.events import Booking, BookingStatus, Decision, Reason
from schemas.zones import zone_of
from tickets.pdf import file_name
from tickets.ticket import Ticket, ticket_of

MEDIA_TYPE = "application/pdf"
BYTES = "application/octet-stream"

_BOOKING_SQL = """
SELECT b.booking_id, b.show_id, b.user_id, b.status, b.seats, b.total, b.currency, b.created_ms,
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
_NO_TICKET = {
    BookingStatus.HELD: Reason.NOT_CONFIRMED,
    BookingStatus.CANCELLED: Reason.ALREADY_CANCELLED,
    BookingStatus.RELEASED: Reason.ALREADY_CANCELLED,
    BookingStatus.EXPIRED: Reason.HOLD_EXPIRED,
}
"""Why a booking that is not confirmed has no ticket."""


class TicketRoutes:
    """GET /api/bookings/{id}/ticket.pdf"""

    def __init__(self, tokens: Tokens, pool: Any, printer: TicketPrinter, timezone: str) -> None:
        self._tokens = tokens
        self._pool = pool
        self._plans = HousePlans(pool)
        self._printer = printer
        self._timezone = timezone

    async def ticket(self, exchange: Exchange, booking_id: UUID) -> None:
        """One document, a page for each seat; for the owner and staff."""
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
        if has(exchange.headers.get(b"if-none-match"), etag):
            exchange.answer_kept(304, b"", headers)
            return
        pdf = await self._printer.print(ticket)
        headers.append((b"content-disposition", _attached(file_name(ticket))))
        exchange.answer_kept(200, pdf, headers, media_type.encode())

    async def _ticket(self, row: Any) -> Ticket:
        plan = await self._plans.get(row["layout_id"])
        booking = Booking(
            booking_id=row["booking_id"],
            show_id=row["show_id"],
            user_id=row["user_id"],
            status=BookingStatus(row["status"]),
            seats=tuple(row["seats"]),
            total=row["total"],
            currency=row["currency"],
            created_ms=row["created_ms"],
        )
        starts_at = datetime.fromtimestamp(row["starts_ms"] // 1000, UTC)
        return ticket_of(
            booking,
            {label: plan.place(label) for label in booking.seats},
            title=row["title"],
            screen=row["screen_name"],
            starts_at=starts_at.astimezone(zone_of(row["timezone"], self._timezone)),
            duration_minutes=row["duration_minutes"],
            holder=row["name"],
            language=row["language"],
        )


def _accepted(accept: str) -> str:
    """PDF, or the same as plain bytes for a client that takes nothing else. Raises Problem `not_acceptable`."""
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
