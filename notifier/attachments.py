"""Files attached to e-mails: the tickets as a PDF, and the show as an entry of calendars."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from notifier import site_links as links
from notifier.email_parts import About, words_of
from notifier.facts import Recipient
from notifier.message import Attachment, Mailbox
from tickets.calendar import MEDIA_TYPE, Notice, calendar_entry


class _Entry(msgspec.Struct, frozen=True):
    """The show of a booking, for calendars."""

    booking_id: UUID
    title: str
    screen: str
    starts_at: datetime
    duration_minutes: int


def calendar_file(
    about: About,
    to: Recipient,
    *,
    organizer: Mailbox,
    public_url: str,
    made_at: datetime,
    sequence: int,
    cancelled: bool = False,
) -> Attachment:
    """The entry that a calendar adds, changes or removes. `sequence` grows with each change of the booking or show."""
    booking, show = about.booking, about.show
    labels = ", ".join(booking.seats)
    seats = words_of(to).ngettext("Seat: {seats}", "Seats: {seats}", len(booking.seats), seats=labels)
    notice = Notice(organizer.address, organizer.name, cancelled=cancelled)
    content = calendar_entry(
        _Entry(booking.booking_id, show.title, show.screen, show.starts_at, show.duration_minutes),
        seats,
        links.booking(public_url, booking.booking_id),
        made_at,
        sequence=sequence,
        notice=notice,
    )
    name = f"aisle-{str(booking.booking_id)[-12:]}.ics"
    return Attachment(name, MEDIA_TYPE, content, (("method", notice.method), ("charset", "utf-8")))
