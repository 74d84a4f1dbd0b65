"""Test environment: webhooks on a real PostgreSQL, with receivers that listen on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from gateway.webhooks.endpoints import Webhooks as Endpoints
from gateway.webhooks.targets import Targets
from runtime import postgres
from runtime.log.in_memory import MemoryLog
from runtime.settings import Settings
from schemas.api_webhooks import NewWebhookBody, WebhookSecretBody
from schemas.events import Booking, BookingConfirmed, BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.wire import EVENTS_TOPIC, encode
from tests.integration.webhook_receiver import WebhookReceiver
from webhooks.service import Webhooks

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class WebhookEnvironment:
    """A database, a log, and a receiver."""

    def __init__(self, database: asyncpg.Connection, pool: Any, log: MemoryLog, settings: Settings) -> None:
        self.database = database
        self.log = log
        self.settings = settings
        self.receiver = WebhookReceiver()
        self.pool = pool
        self._bookings = 0
        self.endpoints = Endpoints(pool, Targets(LOOPBACK))

    async def add(
        self, receiver: WebhookReceiver | None = None, *events: Any, url: str = ""
    ) -> WebhookSecretBody:
        """Adds a webhook: of every event, and at the environment's receiver, if nothing else is given."""
        address = url or (receiver or self.receiver).url
        async with self.pool.acquire() as connection, connection.transaction():
            return await self.endpoints.add(NewWebhookBody(address, events or ("*",)), connection)

    async def rotate(self, webhook_id: int) -> WebhookSecretBody:
        async with self.pool.acquire() as connection, connection.transaction():
            return await self.endpoints.rotate(webhook_id, connection)

    def booking(self, show_id: int = 7) -> Booking:
        self._bookings += 1
        return Booking(
            booking_id=new_booking_id(show_id, 1_795_000_000_000, self._bookings),
            show_id=show_id,
            user_id=3,
            status=BookingStatus.CONFIRMED,
            seats=("C12", "C13"),
            total=2500,
            currency="EUR",
            created_ms=1_795_000_000_000,
        )

    def publish(self, event: Any, event_id: str, partition: int = 0, at_ms: int | None = None) -> None:
        published = PublishedEvent(event_id, at_ms or time.time_ns() // 1_000_000, event)
        self.log.put(EVENTS_TOPIC, partition, encode(published))

    def confirmed(self, event_id: str, show_id: int = 7, partition: int = 0) -> None:
        self.publish(BookingConfirmed(self.booking(show_id)), event_id, partition)

    @contextlib.asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Webhooks]:
        """Runs webhooks as the notifier does, and stops them in order at the end."""
        webhooks = Webhooks(self.settings, self.pool, self.log, **options)
        stop = asyncio.Event()
        tasks = webhooks.tasks(stop)
        try:
            yield webhooks
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            await webhooks.close()

    async def rows(self) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.database.fetch(
            "SELECT * FROM webhook_deliveries ORDER BY delivery_id"
        )
        return rows

    async def until(
        self, holds: Callable[[list[asyncpg.Record]], bool], within_s: float = 30
    ) -> list[asyncpg.Record]:
        """Waits until this holds for the rows of deliveries, and returns them."""
        async with asyncio.timeout(within_s):
            while not holds(rows := await self.rows()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return rows

    async def until_status(self, status: str, count: int = 1) -> list[asyncpg.Record]:
        """Waits until this number of deliveries have a status."""
        return await self.until(lambda rows: sum(row["status"] == status for row in rows) >= count)

    async def until_tried(self, attempts: int) -> list[asyncpg.Record]:
        """Waits until the first delivery has had this number of tries, the last of which is over."""
        return await self.until(
            lambda rows: bool(rows) and rows[0]["attempts"] >= attempts and rows[0]["taken_by"] is None
        )

    async def make_due(self) -> None:
        await self.database.execute("UPDATE webhook_deliveries SET due_at = now() WHERE status = 'pending'")
        await self.database.execute("UPDATE webhooks SET paused_until = NULL")


@contextlib.asynccontextmanager
async def opened(
    database: asyncpg.Connection, database_url: str, settings: Settings
) -> AsyncIterator[WebhookEnvironment]:
    """Opens an environment whose receiver listens."""
    log = MemoryLog(lambda: time.time_ns() // 1_000_000)
    await log.create(4)
    pool = await postgres.create_pool(database_url, "webhooks", min_size=1, max_size=4)
    environment = WebhookEnvironment(database, pool, log, settings)
    await environment.receiver.open()
    try:
        yield environment
    finally:
        await environment.receiver.close()
        await pool.close()
