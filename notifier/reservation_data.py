"""Structured data of a booking (schema.org EventReservation), which mail programs show beside the e-mail. Pure."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from notifier.email_parts import About
from schemas.currencies import minor_digits
from tickets.formats import one_line


def reservation(about: About, link: str, name: str, *, cancelled: bool = False) -> dict[str, Any]:
    """The reservation. `name`: of its owner; empty where it must not be known."""
    booking, show = about.booking, about.show
    event: dict[str, Any] = {
        "@type": "ScreeningEvent",
        "name": one_line(show.title),
        "startDate": show.starts_at.isoformat(),
        "location": {"@type": "Place", "name": one_line(show.screen), "address": one_line(show.screen)},
        "eventStatus": "https://schema.org/" + ("EventCancelled" if show.cancelled else "EventScheduled"),
    }
    if show.duration_minutes:
        event["endDate"] = (show.starts_at + timedelta(minutes=show.duration_minutes)).isoformat()
    person = {"underName": {"@type": "Person", "name": name}} if name else {}
    return {
        "@context": "https://schema.org",
        "@type": "EventReservation",
        "reservationNumber": str(booking.booking_id),
        "reservationStatus": "https://schema.org/"
        + ("ReservationCancelled" if cancelled else "ReservationConfirmed"),
        **person,
        "reservationFor": event,
        "numSeats": len(booking.seats),
        "totalPrice": str(Decimal(booking.total).scaleb(-minor_digits(booking.currency))),
        "priceCurrency": booking.currency.strip(),
        "url": link,
        "modifyReservationUrl": link,
        "reservedTicket": [_ticket(seat, about) for seat in booking.seats],
    }


def _ticket(seat: str, about: About) -> dict[str, Any]:
    numbered: dict[str, Any] = {"@type": "Seat", "seatNumber": one_line(seat)}
    place = about.places.get(seat)
    if place is not None:
        numbered |= {"seatRow": one_line(place.row)} if place.row else {}
        numbered |= {"seatSection": one_line(place.section)} if place.section else {}
    return {"@type": "Ticket", "ticketedSeat": numbered}
