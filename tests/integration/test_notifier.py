"""E-mails for events and requests, with a real PostgreSQL and over real SMTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog

from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingStatus,
    HoldExtended,
    SeatsBlocked,
    SeatsSwapped,
)
from schemas.wire import EVENTS_TOPIC
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        yield environment


async def test_a_confirmed_booking_sends_an_e_mail_with_its_tickets(environment: NotifierEnvironment) -> None:
    async with environment.notifier():
        environment.confirmed("0-5-0")
        delivery = await environment.until_status("0-5-0", "sent")
    (message,) = environment.mail_server.messages
    assert message["To"] == "Ada <ada@example.org>"
    assert "The Lighthouse at Noon" in message["Subject"]
    pdf, calendar = message.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF-")
    assert calendar.get_content_type() == "text/calendar"
    assert delivery["sent_at"] is not None
    assert delivery["taken_by"] is None
    assert b"ada" not in delivery["payload"]


@pytest.mark.parametrize("zone", ["localtime", "Mars/Olympus", "", "../x"])
async def test_e_mails_of_a_show_with_an_unusable_zone_use_the_venues(
    environment: NotifierEnvironment, zone: str
) -> None:
    await environment.database.execute(
        "UPDATE shows SET timezone = $1, starts_at = '2098-06-01T20:00:00Z' WHERE show_id = 7", zone
    )
    environment.settings = msgspec.structs.replace(environment.settings, timezone="Asia/Kathmandu")
    async with environment.notifier():
        booking = environment.booking()
        environment.publish(BookingConfirmed(booking), "0-5-0")
        await environment.until_status("0-5-0", "sent")
        environment.publish(BookingCancelled(booking), "0-6-0")
        await environment.until_status("0-6-0", "sent")
    assert len(environment.mail_server.messages) == 2
    for e_mail in environment.mail_server.messages:
        text = e_mail.get_body(("plain",))
        assert text is not None
        assert "1:45" in text.get_content()


async def test_a_repeated_event_sends_nothing_twice(environment: NotifierEnvironment) -> None:
    async with environment.notifier():
        event = BookingConfirmed(environment.booking())
        for _ in range(5):
            environment.publish(event, "0-5-0")
        environment.confirmed("0-6-0")
        await environment.until_status("0-6-0", "sent")
        environment.publish(event, "0-5-0")
        environment.confirmed("0-7-0")
        await environment.until_status("0-7-0", "sent")
    assert len(environment.mail_server.messages) == 3
    assert len(set(environment.mail_server.ids)) == 3


async def test_e_mails_about_one_booking_are_sent_in_order(environment: NotifierEnvironment) -> None:
    answers = ["451 later", None, None, None]
    environment.mail_server.on_message = lambda _message: answers.pop(0)
    booking = environment.booking()
    async with environment.notifier():
        environment.publish(BookingConfirmed(booking), "0-1-0")
        await environment.until_tried("0-1-0")
        environment.publish(BookingCancelled(booking), "0-2-0")
        environment.confirmed("0-3-0")
        await environment.until_status("0-3-0", "sent")
        assert await environment.status("0-2-0") == "due"
        await environment.make_due()
        await environment.until_status("0-2-0", "sent")
    subjects = [message["Subject"].partition(":")[0] for message in environment.mail_server.messages]
    assert subjects == ["Your tickets", "Your tickets", "Cancelled"]


async def test_a_deleted_account_gets_no_e_mail(environment: NotifierEnvironment) -> None:
    await environment.database.execute(
        "UPDATE users SET email = NULL, username = NULL, name = '', password_hash = NULL WHERE user_id = 3"
    )
    async with environment.notifier():
        environment.confirmed("0-1-0")
        environment.confirmed("0-2-0", user_id=99)
        skipped = await environment.until_status("0-1-0", "skipped")
        await environment.until_status("0-2-0", "skipped")
    assert skipped["last_error"] == "the account was deleted"
    assert environment.mail_server.messages == []


async def test_walk_ins_and_other_seats_send_nothing_and_are_no_errors(
    environment: NotifierEnvironment,
) -> None:
    owned, walk_in = environment.booking(), environment.booking(user_id=0)
    held = msgspec.structs.replace(owned, status=BookingStatus.HELD, expires_ms=2)
    async with environment.notifier():
        # Its start may log a warning about the machine, such as one without fonts.
        environment.confirmed("0-0-0")
        await environment.until_status("0-0-0", "sent")
        with structlog.testing.capture_logs() as lines:
            for n, event in enumerate(
                (
                    BookingConfirmed(walk_in),
                    BookingCancelled(msgspec.structs.replace(walk_in, status=BookingStatus.CANCELLED)),
                    HoldExtended(held),
                    BookingChanged(held, ("C1", "C2"), 2500),
                    BookingChanged(walk_in, ("C1", "C2"), 2500),
                    SeatsSwapped(held, walk_in),
                    SeatsBlocked(7, ("C9",), code="press", release_ms=9),
                ),
                start=1,
            ):
                environment.publish(event, f"0-{n}-0")
            environment.confirmed("0-9-0")
            await environment.until_status("0-9-0", "sent")
    assert len(environment.mail_server.messages) == 2
    assert await environment.database.fetchval("SELECT count(*) FROM deliveries") == 2
    assert [line for line in lines if line["log_level"] in ("warning", "error")] == []


async def test_unreadable_records_are_skipped(environment: NotifierEnvironment) -> None:
    async with environment.notifier():
        for body in (
            b"",
            b"\xff\x00",
            b"{}",
            b'{"event_id":"1-1-0","at_ms":1,"event":{"type":"FromTheFuture"}}',
        ):
            environment.log.put(EVENTS_TOPIC, 0, body)
        environment.confirmed("0-9-0")
        await environment.until_status("0-9-0", "sent")
    assert len(environment.mail_server.messages) == 1


async def test_a_failed_composition_does_not_block_other_e_mails(
    environment: NotifierEnvironment,
) -> None:
    booking = environment.booking()
    async with environment.notifier():
        environment.publish(BookingConfirmed(Booking(**{**_fields(booking), "show_id": 8})), "0-1-0")
        environment.confirmed("0-2-0")
        await environment.until_status("0-2-0", "sent")
    delivery = await environment.database.fetchrow("SELECT * FROM deliveries WHERE event_id = '0-1-0'")
    assert (delivery["status"], delivery["attempts"]) == ("due", 1)
    assert "there is no show 8" in delivery["last_error"]


async def test_line_ends_in_a_title_inject_no_headers(environment: NotifierEnvironment) -> None:
    await environment.database.execute(
        "UPDATE movies SET title = E'Evil\\r\\nBcc: eve@example.org\\r\\n\\r\\nhello'"
    )
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
    (message,) = environment.mail_server.messages
    assert message["Bcc"] is None
    assert "Evil Bcc: eve@example.org hello" in message["Subject"]
    assert len(list(message.iter_attachments())) == 2


async def test_requested_e_mails_are_sent_and_their_secrets_deleted(
    environment: NotifierEnvironment,
) -> None:
    async with environment.notifier():
        await environment.database.execute(
            "INSERT INTO letters_wanted (user_id, kind, data) VALUES (3, 'welcome', '{}')"
        )
        await environment.database.execute(
            """INSERT INTO letters_wanted (user_id, kind, data) VALUES (3, 'password_reset', '{"token": "s3cret"}')"""
        )
        await environment.until_status("letter-1", "sent")
        reset = await environment.until_status("letter-2", "sent")
    assert [message["Subject"] for message in environment.mail_server.messages] == [
        "Welcome to Aisle",
        "Set a new password",
    ]
    assert "s3cret" in str(environment.mail_server.messages[1])
    assert reset["payload"] == b"{}"
    assert await environment.database.fetchval("SELECT count(*) FROM letters_wanted") == 0


async def test_an_expired_reset_link_is_not_sent(environment: NotifierEnvironment) -> None:
    await environment.database.execute(
        "INSERT INTO letters_wanted (user_id, kind, data, created_at) "
        """VALUES (3, 'password_reset', '{"token": "s3cret"}', now() - interval '31 minutes')"""
    )
    async with environment.notifier():
        skipped = await environment.until_status("letter-1", "skipped")
    assert skipped["payload"] == b"{}"
    assert environment.mail_server.messages == []


def _fields(booking: Booking) -> dict[str, Any]:
    return {field: getattr(booking, field) for field in booking.__struct_fields__}
