"""The content of a booking's ticket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from schemas.events import Booking
from schemas.layout import Money
from tickets.places import SeatPlace
from tickets.tokens import TicketSigner


class TicketSeat(msgspec.Struct, frozen=True):
    """One seat of the booking, printed on a page of its own for each visitor."""

    label: str
    section: str
    """Empty where the layout has one section without a name."""
    row: str
    """Empty where the seats are only numbered."""
    price: Money
    token: str
    """Content of the QR code, see tokens.py."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The printed data. Times are in the show's own time zone."""

    booking_id: UUID
    title: str
    screen: str
    starts_at: datetime
    duration_minutes: int
    seats: tuple[TicketSeat, ...]
    booked_at: datetime
    """Also the date of the document: the same booking gives the same bytes."""
    holder: str = ""
    language: str = "en"


def ticket_of(
    booking: Booking,
    places: Mapping[str, SeatPlace],
    signer: TicketSigner,
    *,
    title: str,
    screen: str,
    starts_at: datetime,
    duration_minutes: int,
    holder: str,
    language: str,
) -> Ticket:
    """The ticket of a booking; `starts_at` in the show's own time zone. Raises KeyError for a foreign seat."""
    return Ticket(
        booking_id=booking.booking_id,
        title=title,
        screen=screen,
        starts_at=starts_at,
        duration_minutes=duration_minutes,
        seats=tuple(
            TicketSeat(
                label,
                place.section,
                place.row,
                place.price,
                signer.sign(booking.booking_id, booking.show_id, place.seat),
            )
            for label, place in ((label, places[label]) for label in booking.seats)
        ),
        booked_at=datetime.fromtimestamp(booking.created_ms / 1000, UTC),
        holder=holder,
        language=language,
    )
