"""E-mails of one address: bounded in an hour, held back, merged; and none about a booking that came to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from notifier.deliveries import PER_ADDRESS_AND_HOUR
from schemas.events import BookingCancelled, BookingConfirmed
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        yield environment


async def until(environment: NotifierEnvironment, condition: str, count: int) -> None:
    async with asyncio.timeout(60):
        counted = f"SELECT count(*) FROM deliveries WHERE {condition}"
        while await environment.database.fetchval(counted) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_emails_beyond_the_bound_of_an_hour_are_merged_and_none_is_lost(
    environment: NotifierEnvironment,
) -> None:
    more = 7
    for number in range(PER_ADDRESS_AND_HOUR + more):
        environment.confirmed(f"0-{number}-0", user_id=3)
    environment.confirmed("0-900-0", user_id=4)
    async with environment.notifier():
        await until(environment, "held AND status = 'due' AND taken_by IS NULL", more)
        await until(environment, "status = 'sent'", PER_ADDRESS_AND_HOUR + 1)
        assert len(environment.mail_server.messages) == PER_ADDRESS_AND_HOUR + 1
        assert await environment.database.fetchval(
            "SELECT min(due_at - now()) > interval '50 minutes' FROM deliveries WHERE held"
        )
        # An hour later.
        await environment.database.execute(
            "UPDATE email_turns SET sent_at = array(SELECT s - interval '1 hour' FROM unnest(sent_at) s)"
        )
        await environment.make_due()
        await until(environment, "status = 'sent'", PER_ADDRESS_AND_HOUR + 1 + more)
    assert len(environment.mail_server.messages) < PER_ADDRESS_AND_HOUR + 1 + more
    assert len(set(environment.mail_server.ids)) == len(environment.mail_server.ids)
    digest = environment.mail_server.messages[-1]
    assert len([part for part in digest.walk() if part.get_content_type() == "application/pdf"]) >= 2


async def test_a_merged_email_has_the_same_content_at_each_attempt(environment: NotifierEnvironment) -> None:
    for number in range(PER_ADDRESS_AND_HOUR + 3):
        environment.confirmed(f"0-{number}-0", user_id=3)
    async with environment.notifier():
        await until(environment, "held AND status = 'due' AND taken_by IS NULL", 3)
        await until(environment, "status = 'sent'", PER_ADDRESS_AND_HOUR)
    await environment.database.execute("DELETE FROM email_turns")
    environment.mail_server.messages.clear()
    seen: list[tuple[str, int]] = []

    def lose(message: object) -> str | None:
        parts = [part.get_filename() for part in message.iter_attachments()]  # type: ignore[attr-defined]
        seen.append((message["Message-ID"], len(parts)))  # type: ignore[index]
        return "451 4.7.1 once more" if len(seen) == 1 else None

    environment.mail_server.on_message = lose
    await environment.make_due()
    async with environment.notifier():
        await until(environment, "last_error LIKE '451%'", 1)
        environment.confirmed("0-800-0", user_id=3)
        await environment.database.execute(
            "UPDATE deliveries SET due_at = now() WHERE last_error LIKE '451%'"
        )
        await until(environment, "status = 'sent'", PER_ADDRESS_AND_HOUR + 4)
    leaders = [one for one in seen if one[0] == seen[0][0]]
    assert leaders == [seen[0], seen[0]]


async def test_booking_and_cancelling_two_hundred_times_sends_few_emails(
    environment: NotifierEnvironment,
) -> None:
    offset = 0
    for _ in range(200):
        booking = environment.booking(3)
        for event in (BookingConfirmed(booking), BookingCancelled(booking)):
            environment.publish(event, f"0-{offset}-0")
            offset += 1
    async with environment.notifier():
        await until(environment, "true", 400)
        await until(environment, "status = 'due' AND NOT held", 0)
    assert len(environment.mail_server.messages) <= PER_ADDRESS_AND_HOUR
    kinds = await environment.database.fetch(
        "SELECT booking_id FROM deliveries GROUP BY booking_id HAVING count(DISTINCT status) > 1"
    )
    assert kinds == [], "both e-mails of a booking, or neither"


async def test_a_booking_cancelled_by_the_venue_is_news_even_before_its_first_email(
    environment: NotifierEnvironment,
) -> None:
    booking = environment.booking(3)
    await environment.database.execute(
        "INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, starts_ms,"
        " seats_per_customer) VALUES (7, 0, 'cancelled', 9, 20, 1, 'x', 1, 10)"
    )
    await environment.database.execute(
        "INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition,"
        " log_offset) VALUES ($1, 7, 3, 'cancelled', '{C12,C13}', 2500, 'EUR', 1, 0, 1)",
        booking.booking_id,
    )
    environment.publish(BookingConfirmed(booking), "0-1-0")
    environment.publish(BookingCancelled(booking), "0-2-0")
    async with environment.notifier():
        await environment.until_status("0-2-0", "sent")
        assert await environment.status("0-1-0") == "skipped"
    assert len(environment.mail_server.messages) == 1
