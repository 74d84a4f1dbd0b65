"""E-mails about changed bookings and shows, reminders, tickets once more and staff's, on a real PostgreSQL and SMTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import asyncpg
import icalendar
import msgspec
import pytest

from notifier.notices import Notices
from runtime import postgres
from schemas.events import Booking, BookingCancelled, BookingChanged, BookingConfirmed, BookingStatus
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        starts_at = await database.fetchval("SELECT starts_at FROM shows WHERE show_id = 7")
        await database.execute(
            "INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, "
            "starts_ms, seats_per_customer) VALUES (7, 0, 'open', 41, 12, 1, '', $1, 10)",
            int(starts_at.timestamp() * 1000),
        )
        yield environment


@pytest.fixture
async def notices(environment: NotifierEnvironment) -> AsyncIterator[Notices]:
    pool = await postgres.create_pool(environment.database_url, "notices", min_size=1, max_size=2)
    try:
        yield Notices(pool, "Europe/Berlin", lambda: None, settled_s=0.0)
    finally:
        await pool.close()


async def store(environment: NotifierEnvironment, booking: Booking, first_seat: int = 0) -> Booking:
    """Stores a booking with its claims, as a seat worker does."""
    database = environment.database
    await database.execute(
        "INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition, "
        "log_offset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 40)",
        booking.booking_id,
        booking.show_id,
        booking.user_id,
        booking.status.value,
        list(booking.seats),
        booking.total,
        booking.currency,
        booking.created_ms,
    )
    for seat in range(first_seat, first_seat + len(booking.seats)):
        await database.execute(
            "INSERT INTO claims (show_id, seat, state, booking_id) VALUES (7, $1, 's', $2)",
            seat,
            booking.booking_id,
        )
    return booking


def earlier(booking: Booking) -> Booking:
    return msgspec.structs.replace(booking, created_ms=1_600_000_000_000)


async def move(environment: NotifierEnvironment, **columns: Any) -> None:
    """Changes a show as a gateway does once its writer has."""
    for name, value in columns.items():
        await environment.database.execute(f"UPDATE shows SET {name} = $1 WHERE show_id = 7", value)
    await environment.database.execute(
        "UPDATE show_states t SET starts_ms = extract(epoch FROM s.starts_at) * 1000, version = version + 1 "
        "FROM shows s WHERE s.show_id = t.show_id"
    )


async def put(environment: NotifierEnvironment, kind: str, payload: str, user_id: int = 3) -> str:
    event_id = f"test-{kind}-{await environment.database.fetchval('SELECT count(*) FROM deliveries')}"
    await environment.database.execute(
        "INSERT INTO deliveries (event_id, kind, user_id, payload) VALUES ($1, $2, $3, $4)",
        event_id,
        kind,
        user_id,
        payload.encode(),
    )
    return event_id


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def calendar_of(message: EmailMessage) -> icalendar.Calendar:
    (part,) = (one for one in message.iter_attachments() if one.get_content_type() == "text/calendar")
    return icalendar.Calendar.from_ical(part.get_content())


async def test_a_calendar_follows_a_booking_from_its_confirmation_to_its_end(
    environment: NotifierEnvironment,
) -> None:
    booking = environment.booking()
    changed = msgspec.structs.replace(booking, seats=("C1", "C2"))
    async with environment.notifier():
        environment.publish(BookingConfirmed(booking), "0-5-0")
        environment.publish(BookingChanged(changed, booking.seats, booking.total), "0-6-0")
        await environment.until_status("0-6-0", "sent")
        environment.publish(BookingCancelled(changed), "0-7-0")
        await environment.until_status("0-7-0", "sent")
    first, second, third = (calendar_of(message) for message in environment.mail_server.messages)
    events: list[Any] = [calendar.walk("VEVENT")[0] for calendar in (first, second, third)]
    assert len({event["uid"] for event in events}) == 1
    assert [event["sequence"] for event in events] == sorted({event["sequence"] for event in events})
    assert [calendar["method"] for calendar in (first, second, third)] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert "C1, C2" in events[1]["description"]
    assert "before: C12, C13" in text_of(environment.mail_server.messages[1])


async def test_tickets_are_those_of_the_booking_as_it_is_when_they_are_sent(
    environment: NotifierEnvironment,
) -> None:
    booking = environment.booking()
    await store(environment, msgspec.structs.replace(booking, seats=("C5", "C6")))
    cancelled = environment.booking()
    await store(environment, msgspec.structs.replace(cancelled, status=BookingStatus.CANCELLED, seats=()))
    async with environment.notifier():
        environment.publish(BookingConfirmed(booking), "0-5-0")
        environment.publish(BookingConfirmed(cancelled), "0-6-0")
        await environment.until_status("0-5-0", "sent")
        await environment.until_status("0-6-0", "skipped")
    (message,) = environment.mail_server.messages
    assert "C5, C6" in text_of(message)


async def test_everybody_with_tickets_of_a_changed_show_gets_one_e_mail(
    environment: NotifierEnvironment, notices: Notices
) -> None:
    mine = await store(environment, earlier(environment.booking()))
    await store(environment, earlier(environment.booking(4)), first_seat=4)
    later = msgspec.structs.replace(environment.booking(), created_ms=4_000_000_000_000)
    await store(environment, later, first_seat=8)  # made after the change
    await store(environment, earlier(environment.booking(0)), first_seat=12)  # a walk-in
    old = await environment.database.fetchval("SELECT starts_at FROM shows")
    await move(environment, starts_at=old + timedelta(hours=1))
    await move(environment, starts_at=old + timedelta(hours=2), screen_name="Screen 9")
    while await notices.notify_of_a_changed_show():
        pass
    assert not await notices.notify_of_a_changed_show()
    rows = await environment.database.fetch("SELECT event_id, user_id FROM deliveries ORDER BY user_id")
    assert [row["user_id"] for row in rows] == [3, 4]
    async with environment.notifier():
        for row in rows:
            await environment.until_status(row["event_id"], "sent")
    message = next(one for one in environment.mail_server.messages if "ada@" in one["To"])
    assert message["Subject"].startswith("New time: ")
    assert text_of(message).count("before:") == 2
    assert "before: Screen 3" in text_of(message)
    event: Any = calendar_of(message).walk("VEVENT")[0]
    assert event["uid"] == str(mine.booking_id)
    assert event["sequence"] > 41
    assert event.decoded("dtstart") == (old + timedelta(hours=2)).replace(microsecond=0)


async def test_a_show_that_was_changed_back_sends_nothing(
    environment: NotifierEnvironment, notices: Notices
) -> None:
    await store(environment, earlier(environment.booking()))
    await move(environment, screen_name="Screen 9")
    await move(environment, screen_name="Screen 3")
    while await notices.notify_of_a_changed_show():
        pass
    assert await environment.database.fetchval("SELECT count(*) FROM deliveries") == 0
    assert await environment.database.fetchval("SELECT count(*) FROM show_changes") == 0


async def test_a_running_notifier_finds_a_changed_show_by_itself(environment: NotifierEnvironment) -> None:
    await store(environment, earlier(environment.booking()))
    async with environment.notifier():
        await move(environment, screen_name="Screen 9")
        await environment.database.execute(
            "UPDATE show_changes SET changed_at = changed_at - interval '1 minute'"
        )
        event_id = f"show-change-1-{await environment.database.fetchval('SELECT booking_id FROM bookings')}"
        await environment.until_status(event_id, "sent")
    (message,) = environment.mail_server.messages
    assert message["Subject"].startswith("New screen: ")


async def test_a_booking_cancelled_with_its_show_is_told_from_one_cancelled_before(
    environment: NotifierEnvironment,
) -> None:
    await environment.database.execute("UPDATE show_states SET status = 'cancelled'")
    await environment.database.execute(
        "INSERT INTO decisions (partition, log_offset, at_ms, command, answer, rules) VALUES "
        """(0, 5, 1, '{"type":"CancelBooking"}', '{}', 2), (0, 6, 1, '{"type":"CancelShow"}', '{}', 2)"""
    )
    async with environment.notifier():
        environment.publish(BookingCancelled(environment.booking()), "0-5-0")
        environment.publish(BookingCancelled(environment.booking()), "0-6-3")
        await environment.until_status("0-5-0", "sent")
        await environment.until_status("0-6-3", "sent")
    subjects = sorted(message["Subject"].partition(":")[0] for message in environment.mail_server.messages)
    assert subjects == ["Called off", "Cancelled"]


async def test_a_reminder_is_sent_only_while_it_is_true(environment: NotifierEnvironment) -> None:
    booking = await store(environment, environment.booking())
    gone = await store(
        environment, msgspec.structs.replace(environment.booking(), status=BookingStatus.CANCELLED), 5
    )
    starts_ms = await environment.database.fetchval("SELECT starts_ms FROM show_states")

    def reminder(of: Booking, at_ms: int) -> str:
        return f'{{"booking_id": "{of.booking_id}", "show_id": 7, "starts_ms": {at_ms}}}'

    async with environment.notifier():
        sent = await put(environment, "reminder", reminder(booking, starts_ms))
        moved = await put(environment, "reminder", reminder(booking, starts_ms + 1000))
        cancelled = await put(environment, "reminder", reminder(gone, starts_ms))
        await environment.until_status(sent, "sent")
        await environment.until_status(moved, "skipped")
        await environment.until_status(cancelled, "skipped")
        await environment.database.execute("UPDATE users SET reminders = false")
        unwanted = await put(environment, "reminder", reminder(booking, starts_ms))
        await environment.until_status(unwanted, "skipped")
    (message,) = environment.mail_server.messages
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"/bookings/{booking.booking_id}" in text_of(message)


async def test_tickets_are_sent_again_to_the_address_of_now(environment: NotifierEnvironment) -> None:
    booking = await store(environment, environment.booking())
    await environment.database.execute("UPDATE users SET email = 'new@example.org' WHERE user_id = 3")
    async with environment.notifier():
        await environment.database.execute(
            "INSERT INTO letters_wanted (user_id, kind, data) "
            "VALUES (3, 'tickets_again', jsonb_build_object('booking_id', $1::uuid))",
            booking.booking_id,
        )
        await environment.until_status("letter-1", "sent")
    (message,) = environment.mail_server.messages
    assert message["To"] == "Ada <new@example.org>"
    assert [one.get_content_type() for one in message.iter_attachments()] == [
        "application/pdf",
        "text/calendar",
    ]


async def test_no_name_goes_to_an_address_that_nobody_has_confirmed(environment: NotifierEnvironment) -> None:
    await environment.database.execute(
        "UPDATE users SET email_confirmed = false, name = 'You won! https://evil.example/x claim today'"
    )
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.database.execute("INSERT INTO letters_wanted (user_id, kind) VALUES (3, 'welcome')")
        await environment.until_status("0-1-0", "sent")
        await environment.until_status("letter-1", "sent")
    for message in environment.mail_server.messages:
        assert message["To"] == "ada@example.org"
        assert "evil" not in message.as_string()
        assert "evil" not in text_of(message)


async def test_answers_go_to_the_venue(environment: NotifierEnvironment) -> None:
    environment.settings = msgspec.structs.replace(
        environment.settings, mail_reply_to="Box office <office@venue.example>"
    )
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
    (message,) = environment.mail_server.messages
    assert message["Reply-To"] == "Box office <office@venue.example>"
    (event,) = calendar_of(message).walk("VEVENT")
    assert event["organizer"] == "mailto:office@venue.example"


async def test_staff_who_want_it_hear_once_that_a_show_is_nearly_and_then_quite_sold_out(
    environment: NotifierEnvironment, notices: Notices
) -> None:
    await environment.database.execute("UPDATE users SET role = 'staff' WHERE user_id = 3")
    await environment.database.execute("UPDATE users SET role = 'admin', summaries = false WHERE user_id = 4")
    await store(environment, environment.booking())
    now = datetime.now(UTC).replace(hour=1)
    kinds = "SELECT kind FROM deliveries WHERE user_id = 3 ORDER BY delivery_id"
    for available, expected in (
        (12, []),
        (2, ["staff_few_left"]),
        (0, ["staff_few_left", "staff_sold_out"]),
        (0, ["staff_few_left", "staff_sold_out"]),
    ):
        await environment.database.execute("UPDATE show_states SET available = $1", available)
        await notices.notify_staff(now)
        assert [row["kind"] for row in await environment.database.fetch(kinds)] == expected
    assert await environment.database.fetchval("SELECT count(*) FROM deliveries WHERE user_id = 4") == 0
    async with environment.notifier():
        for row in await environment.database.fetch("SELECT event_id FROM deliveries"):
            await environment.database.execute(
                "UPDATE deliveries SET due_at = now() WHERE event_id = $1", row["event_id"]
            )
        await environment.until_status("notice-7-3", "sent")
    subjects = sorted(message["Subject"].partition(":")[0] for message in environment.mail_server.messages)
    assert subjects == ["Few seats left", "Sold out"]


async def test_held_seats_that_may_come_back_do_not_sell_a_show_out(
    environment: NotifierEnvironment, notices: Notices
) -> None:
    await environment.database.execute("UPDATE users SET role = 'staff' WHERE user_id = 3")
    booking = await store(environment, environment.booking())
    await environment.database.execute("UPDATE show_states SET available = 0")
    await environment.database.execute("UPDATE claims SET state = 'h' WHERE seat = 0")
    await notices.notify_staff(datetime.now(UTC).replace(hour=1))
    assert await environment.database.fetchval("SELECT count(*) FROM deliveries") == 0
    await environment.database.execute("UPDATE claims SET state = 's'")
    await notices.notify_staff(datetime.now(UTC).replace(hour=1))
    assert await environment.database.fetchval("SELECT kind FROM deliveries") == "staff_sold_out"
    assert booking.seats


async def test_staff_get_one_summary_a_day_from_seven_in_the_morning(
    environment: NotifierEnvironment, notices: Notices
) -> None:
    await environment.database.execute("UPDATE users SET role = 'staff' WHERE user_id = 3")
    await environment.database.execute("UPDATE shows SET created_at = '2026-01-01T00:00:00Z'")
    await environment.database.execute(
        "INSERT INTO report_sales VALUES (7, '2026-11-30', 'EUR', 12, 31, 38750, 2, 4, 5000, 0, 0)"
    )
    await environment.database.execute(
        "UPDATE shows SET starts_at = '2026-12-01T18:30:00Z' WHERE show_id = 7"
    )
    await environment.database.execute("UPDATE show_states SET starts_ms = 1796149800000")
    for hour in (0, 6, 7, 7, 23):
        await notices.notify_staff(datetime(2026, 12, 1, hour, tzinfo=UTC))
        count = await environment.database.fetchval("SELECT count(*) FROM deliveries")
        assert count == (hour >= 7)
    async with environment.notifier():
        await environment.until_status("summary-2026-11-30-3", "sent")
    (message,) = environment.mail_server.messages
    text = text_of(message)
    for part in (
        "Monday, 30 November 2026",
        "€387.50",
        "12 bookings, 31 seats",
        "8 of 20 seats taken",
        "19:30",
    ):
        assert part in text
