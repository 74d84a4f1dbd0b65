"""The show of a booking as an entry of calendars (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, vUri

from tickets.formats import one_line
from tickets.ticket import Ticket

MEDIA_TYPE = "text/calendar"
_DEFAULT_MINUTES = 120
"""Length of the entry where the running time is unknown."""


def calendar_entry(ticket: Ticket, seats: str, link: str, made_at: datetime) -> bytes:
    """An iCalendar file with one event. `seats` names them in the reader's language; `link` is the page of the booking.

    The booking's id is the event's: opened again, after the show was moved, the file changes the entry and adds none.
    Times are in UTC, which every calendar shows in the zone of its user.
    """
    starts_at = ticket.starts_at.astimezone(UTC)
    event = Event()
    event.add("uid", str(ticket.booking_id))
    event.add("dtstamp", made_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", starts_at)
    event.add("dtend", starts_at + timedelta(minutes=ticket.duration_minutes or _DEFAULT_MINUTES))
    event.add("summary", one_line(ticket.title))
    event.add("location", one_line(ticket.screen))
    event.add("description", f"{one_line(seats)}\n{link}")
    event.add("url", vUri(link))
    event.add("transp", "OPAQUE")
    calendar = Calendar()
    calendar.add("prodid", "-//Aisle//Tickets//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
