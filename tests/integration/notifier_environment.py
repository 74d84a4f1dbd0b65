"""Test environment: a notifier on a real PostgreSQL that sends e-mails over real SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from notifier.service import notify
from runtime import postgres
from runtime.log.in_memory import MemoryLog
from runtime.settings import Settings
from schemas.events import Booking, BookingConfirmed, BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section, encode_layout, layout_digest
from schemas.wire import EVENTS_TOPIC, encode
from tests.integration.mail_server import RecordingMailServer

LAYOUT = Layout((Section("Stalls", Money(1250, "EUR"), (Row("C", 20),)),))
MakeSettings = Callable[..., Settings]


class NotifierEnvironment:
    """A database with a show and two customers, a log, and a mail server."""

    def __init__(
        self,
        database: asyncpg.Connection,
        database_url: str,
        log: MemoryLog,
        mail_server: RecordingMailServer,
    ) -> None:
        self.database = database
        self.database_url = database_url
        self.log = log
        self.mail_server = mail_server
        self.settings: Settings
        self._bookings = 0

    async def insert_show(self, title: str = "The Lighthouse at Noon") -> None:
        body = encode_layout(LAYOUT)
        await self.database.execute(
            "INSERT INTO users (user_id, username, email, name, password_hash, email_confirmed) "
            "VALUES (3, 'ada', 'ada@example.org', 'Ada', 'x', true), (4, 'bob', 'bob@example.org', '', 'x', true)"
        )
        await self.database.execute(
            "INSERT INTO movies (movie_id, title, duration_minutes) VALUES (1, $1, 128)", title
        )
        await self.database.execute(
            "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, $1, 20, $2)",
            layout_digest(body),
            body,
        )
        await self.database.execute(
            "INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, "
            "partition) VALUES (7, 1, 'Screen 3', $1, 'Europe/Berlin', 1, 10, 0)",
            datetime.now(UTC) + timedelta(days=3),
        )

    def booking(self, user_id: int = 3) -> Booking:
        self._bookings += 1
        return Booking(
            booking_id=new_booking_id(7, 1_795_000_000_000, self._bookings),
            show_id=7,
            user_id=user_id,
            status=BookingStatus.CONFIRMED,
            seats=("C12", "C13"),
            total=2500,
            currency="EUR",
            created_ms=1_795_000_000_000,
        )

    def publish(self, event: Any, event_id: str, partition: int = 0) -> None:
        self.log.put(EVENTS_TOPIC, partition, encode(PublishedEvent(event_id, 1, event)))

    def confirmed(self, event_id: str, user_id: int = 3, partition: int = 0) -> None:
        self.publish(BookingConfirmed(self.booking(user_id)), event_id, partition)

    @contextlib.asynccontextmanager
    async def notifier(self, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Runs a notifier, and stops it in order at the end."""
        pool = await postgres.create_pool(self.database_url, "notifier", min_size=1, max_size=4)
        stop = asyncio.Event()
        task = asyncio.create_task(notify(self.settings, pool, self.log, stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait([task])
            await pool.close()
            if not task.cancelled():
                task.result()

    async def status(self, event_id: str) -> str | None:
        status: str | None = await self.database.fetchval(
            "SELECT status FROM deliveries WHERE event_id = $1", event_id
        )
        return status

    async def until_status(self, event_id: str, status: str) -> asyncpg.Record:
        async with asyncio.timeout(20):
            while await self.status(event_id) != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return await self.database.fetchrow("SELECT * FROM deliveries WHERE event_id = $1", event_id)

    async def until_tried(self, event_id: str) -> None:
        """Waits until an attempt has failed."""
        async with asyncio.timeout(20):
            while not await self.database.fetchval(  # noqa: ASYNC110
                "SELECT 1 FROM deliveries WHERE event_id = $1 AND last_error IS NOT NULL", event_id
            ):
                await asyncio.sleep(0.02)

    async def make_due(self) -> None:
        await self.database.execute("UPDATE deliveries SET due_at = now() WHERE status = 'due'")


@contextlib.asynccontextmanager
async def opened(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    """Opens an environment with its show, customers and mail server."""
    log = MemoryLog(lambda: time.time_ns() // 1_000_000)
    await log.create(4)
    mail_server = RecordingMailServer()
    await mail_server.open()
    try:
        environment = NotifierEnvironment(database, database_url, log, mail_server)
        environment.settings = settings(smtp_url=mail_server.url, mail_from="Aisle <tickets@venue.example>")
        await environment.insert_show()
        yield environment
    finally:
        await mail_server.close()
