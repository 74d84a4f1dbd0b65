"""Reminders before a show: once, at their time, for bookings that stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from notifier.reminders import Reminders, changes_of
from runtime import postgres
from runtime.reminder_leads import normal_leads, read_leads
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    PublishedEvent,
    ShowChanged,
    ShowStatus,
    Terms,
)
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened

HOUR = 3600


class Fixture:
    """Reminders on a database with a show and bookings."""

    def __init__(self, environment: NotifierEnvironment, pool: postgres.Pool) -> None:
        self.environment = environment
        self.database = environment.database
        self.pool = pool
        self.reminders = Reminders(pool, (24 * HOUR, 2 * HOUR))

    async def starts_in(self, hours: float) -> None:
        await self.database.execute(
            "UPDATE shows SET starts_at = date_trunc('milliseconds', now()) + make_interval(secs => $1)",
            hours * HOUR,
        )

    async def feed(self, event: object, hours_ago: float = 0) -> None:
        at_ms = int((datetime.now(UTC) - timedelta(hours=hours_ago)).timestamp() * 1000)
        changes = changes_of([PublishedEvent("0-1-0", at_ms, event)])  # type: ignore[arg-type]
        async with self.pool.acquire() as connection, connection.transaction():
            await self.reminders.record(connection, changes)

    async def confirm(self, hours_ago: float = 0) -> Booking:
        booking = self.environment.booking(3)
        await self.database.execute(
            "INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition,"
            " log_offset) VALUES ($1, 7, 3, 'confirmed', '{C12,C13}', 2500, 'EUR', 1, 0, 1)",
            booking.booking_id,
        )
        await self.feed(BookingConfirmed(booking), hours_ago)
        return booking

    async def leads(self) -> list[int]:
        rows = await self.database.fetch("SELECT lead_s FROM reminders ORDER BY lead_s DESC")
        return [row[0] // HOUR for row in rows]

    async def sent(self) -> list[UUID]:
        rows = await self.database.fetch("SELECT booking_id FROM deliveries WHERE kind = 'reminder'")
        return [row[0] for row in rows]


@pytest.fixture
async def fixture(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[Fixture]:
    async with opened(database, database_url, settings) as environment:
        pool = await postgres.create_pool(database_url, "notifier", min_size=1, max_size=2)
        yield Fixture(environment, pool)
        await pool.close()


async def test_reminders_of_a_booking_are_made_fired_and_removed(fixture: Fixture) -> None:
    await fixture.starts_in(48)
    booking = await fixture.confirm()
    assert await fixture.leads() == [24, 2]
    assert await fixture.reminders.fire() == 0

    # Due already when one books: only what is still to come.
    await fixture.feed(BookingCancelled(booking))
    assert await fixture.leads() == []
    await fixture.starts_in(20)
    await fixture.confirm()
    assert await fixture.leads() == [2]
    await fixture.database.execute("DELETE FROM reminders")
    await fixture.starts_in(1)
    await fixture.confirm()
    assert await fixture.leads() == []

    # Booked in time, read late: it is sent, and the later lead says it all.
    await fixture.starts_in(1)
    late = await fixture.confirm(hours_ago=30)
    assert await fixture.leads() == [24, 2]
    assert await fixture.reminders.fire() == 2
    assert await fixture.sent() == [late.booking_id]

    # The event again, a notifier that starts again, a clock set back: once is enough.
    await fixture.feed(BookingConfirmed(late), 30)
    await fixture.reminders.adopt_settings()
    await asyncio.gather(fixture.reminders.fire(), fixture.reminders.fire())
    assert await fixture.sent() == [late.booking_id]


async def test_a_moved_show_has_its_reminders_made_anew(fixture: Fixture) -> None:
    await fixture.starts_in(48)
    await fixture.confirm()
    before = await fixture.database.fetchval("SELECT max(due_at) FROM reminders")
    await fixture.starts_in(96)
    terms = Terms(1, "x", 1, 10)
    await fixture.feed(ShowChanged(7, ShowStatus.OPEN, terms))
    assert await fixture.leads() == [24, 2]
    after = await fixture.database.fetchval("SELECT max(due_at) FROM reminders")
    assert timedelta(hours=47) < after - before < timedelta(hours=49)
    # A change of other terms leaves what is due.
    await fixture.database.execute("UPDATE reminders SET due_at = now()")
    await fixture.feed(ShowChanged(7, ShowStatus.OPEN, msgspec.structs.replace(terms, seats_per_customer=4)))
    assert await fixture.leads() == [24, 2]
    await fixture.starts_in(3)
    await fixture.feed(ShowChanged(7, ShowStatus.OPEN, terms))
    assert await fixture.leads() == [2]


async def test_a_changed_setting_is_adopted_and_a_notifier_sends_the_reminder(fixture: Fixture) -> None:
    await fixture.starts_in(48)
    await fixture.confirm()
    fixture.reminders = Reminders(fixture.pool, read_leads("30m"))
    await fixture.reminders.adopt_settings()
    rows = await fixture.database.fetch("SELECT lead_s FROM reminders")
    assert [row[0] for row in rows] == [1800]
    environment = fixture.environment
    environment.settings = msgspec.structs.replace(environment.settings, reminders="30m")
    await fixture.database.execute("UPDATE reminders SET due_at = now()")
    async with environment.notifier(), environment.notifier():
        async with asyncio.timeout(30):
            while not environment.mail_server.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
    assert len(environment.mail_server.messages) == 1
    assert environment.mail_server.ids[0].startswith("<reminder.")


def test_the_setting_has_a_normal_form() -> None:
    assert normal_leads(" 120m, 1d ,2h") == "24h,2h"
    assert normal_leads("90m") == "90m"
    assert normal_leads("off") == "off"
    for wrong in ("", "0h", "24", "-1h", "61d", "1h;2h", "1m,2m,3m,4m,5m,6m", "٣h"):
        with pytest.raises(ValueError, match="times before"):
            normal_leads(wrong)
