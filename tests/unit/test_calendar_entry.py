"""The entry of calendars for a booking."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.layout import Money
from tickets.calendar import calendar_entry
from tickets.ticket import Ticket, TicketSeat

_LINK = "https://tickets.example/bookings/7"


def entry(title: str = "Nächte", zone: str = "Europe/Berlin", minutes: int = 90) -> bytes:
    ticket = Ticket(
        booking_id=UUID(int=7),
        title=title,
        screen="Hall 1",
        starts_at=datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo(zone)),
        duration_minutes=minutes,
        seats=(TicketSeat("A;1", "", "", Money(1, "EUR"), "t"),),
        booked_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return calendar_entry(ticket, "Plätze: A;1", _LINK, datetime(2026, 1, 2, tzinfo=UTC))


def lines(entry: bytes) -> list[str]:
    return entry.decode().replace("\r\n ", "").split("\r\n")


def test_lines_end_with_crlf_and_are_folded() -> None:
    made = entry(title="क्षत्रिय " * 40)
    assert made.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in made.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in made.split(b"\r\n"))
    assert "क्षत्रिय क्षत्रिय" in "".join(lines(made))


def test_times_are_utc_also_in_the_hour_that_comes_twice() -> None:
    found = lines(entry())
    assert "DTSTART:20261025T003000Z" in found
    assert "DTEND:20261025T020000Z" in found
    assert "DTSTAMP:20260102T000000Z" in found
    assert "DTEND:20261025T023000Z" in lines(entry(minutes=0)), "two hours where nobody knows"


def test_an_entry_has_the_same_uid_each_time_and_no_text_acts_as_a_property() -> None:
    found = lines(entry(title="One\r\nATTACH:https://evil.example\nTwo"))
    assert "UID:00000000-0000-0000-0000-000000000007" in found
    assert not any(line.startswith("ATTACH") for line in found)
    assert "SUMMARY:One ATTACH:https://evil.example Two" in found
    assert f"DESCRIPTION:Plätze: A\\;1\\n{_LINK}" in found
