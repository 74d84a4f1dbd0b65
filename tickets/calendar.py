"""The show of a booking as an entry of calendars (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec
from icalendar import Calendar, Event, vCalAddress, vUri

from tickets.formats import one_line

MEDIA_TYPE = "text/calendar"
_DEFAULT_MINUTES = 120
"""Length of the entry where the running time is unknown."""
_MAX_SEQUENCE = 2**31 - 1


class CalendarShow(Protocol):
    """What an entry says of a booking's show; a Ticket has it all."""

    @property
    def booking_id(self) -> UUID: ...
    @property
    def title(self) -> str: ...
    @property
    def screen(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def duration_minutes(self) -> int: ...


class Notice(msgspec.Struct, frozen=True):
    """What makes an entry a message of an organizer (RFC 5546): a calendar changes or removes the entry that it has."""

    organizer: str
    """An e-mail address."""
    name: str = ""
    cancelled: bool = False

    @property
    def method(self) -> str:
        return "CANCEL" if self.cancelled else "PUBLISH"


def calendar_entry(
    show: CalendarShow,
    seats: str,
    link: str,
    made_at: datetime,
    *,
    sequence: int = 0,
    notice: Notice | None = None,
) -> bytes:
    """An iCalendar file with one event. `seats` names them in the reader's language; `link` is the page of the booking.

    The booking's id is the event's: opened again, after the show was moved, the file changes the entry and adds none.
    `sequence` grows with each change: calendars ignore a lower one. Times are in UTC, which every calendar shows in the
    zone of its user.
    """
    starts_at = show.starts_at.astimezone(UTC)
    event = Event()
    event.add("uid", str(show.booking_id))
    event.add("sequence", min(max(0, sequence), _MAX_SEQUENCE))
    event.add("dtstamp", made_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", starts_at)
    event.add("dtend", starts_at + timedelta(minutes=show.duration_minutes or _DEFAULT_MINUTES))
    event.add("summary", one_line(show.title))
    event.add("location", one_line(show.screen))
    event.add("description", f"{one_line(seats)}\n{link}")
    event.add("url", vUri(link))
    event.add("transp", "OPAQUE")
    calendar = Calendar()
    calendar.add("prodid", "-//Aisle//Tickets//EN")
    calendar.add("version", "2.0")
    if notice is not None:
        calendar.add("method", notice.method)
        event.add("status", "CANCELLED" if notice.cancelled else "CONFIRMED")
        organizer = vCalAddress(f"mailto:{notice.organizer}")
        if notice.name:
            organizer.params["CN"] = one_line(notice.name).replace('"', "'")
        event.add("organizer", organizer)
    calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
