"""The notifier is killed again and again in a burst of events: every webhook gets every event, under one id each."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from runtime.log.opening import open_log
from schemas.events import Booking, BookingConfirmed, BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.wire import EVENTS_TOPIC, encode
from tests.conftest import TICKET_KEYS
from tests.integration.webhook_environment import WebhookEnvironment
from tests.integration.webhook_receiver import Received, WebhookReceiver

EVENTS = 600
SHOWS = 4
KILLS = 10
LIMIT_S = 200


@pytest.mark.timeout(LIMIT_S + 60)
async def test_every_event_is_delivered_through_kills_and_repeats_have_their_id(
    database: asyncpg.Connection, database_url: str, tmp_path: Path, unused_tcp_port_factory: Any
) -> None:
    receiver = WebhookReceiver()
    receiver.answer = _after_a_moment
    await receiver.open()
    log = await open_log(None, database_url)
    await log.create(2)
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=2)
    environment = WebhookEnvironment(database, pool, log, None)  # type: ignore[arg-type]
    webhook = await environment.add(receiver)
    ports = [unused_tcp_port_factory() for _ in range(3)]
    appending = asyncio.create_task(_append(log))
    try:
        async with asyncio.timeout(LIMIT_S):
            for kill in range(1, KILLS + 1):
                notifier = await _start(database_url, tmp_path, ports)
                try:
                    await receiver.until(EVENTS * kill // (2 * KILLS), within_s=60)
                finally:
                    notifier.send_signal(signal.SIGKILL)
                    await notifier.wait()
                # As if the leases of the killed one had run out meanwhile.
                await database.execute(
                    "UPDATE webhook_deliveries SET leased_until = now() WHERE taken_by IS NOT NULL"
                )
            await appending
            notifier = await _start(database_url, tmp_path, ports)
            try:
                await environment.until_status("delivered", EVENTS)
            finally:
                notifier.send_signal(signal.SIGTERM)
                assert await notifier.wait() == 0, (tmp_path / "notifier.log").read_text()[-3000:]
    finally:
        appending.cancel()
        await log.close()
        await pool.close()
        await receiver.close()
    wanted = {f"{number % 2}-{number}-0" for number in range(EVENTS)}
    assert set(receiver.ids) == wanted
    repeats = Counter(receiver.ids)
    for received in receiver.received:
        received.verify(webhook.secret, webhook.public_key)
    # A kill repeats what was under way: at most one request of each show.
    assert sum(repeats.values()) - EVENTS <= KILLS * SHOWS
    for show_id in range(1, SHOWS + 1):
        firsts = list(dict.fromkeys(one.id for one in receiver.received if _show(one) == show_id))
        assert firsts == sorted(firsts, key=lambda one: int(one.split("-")[1])), "in the order of the log"


async def _after_a_moment(_received: Received) -> web.StreamResponse:
    await asyncio.sleep(0.005)
    return web.Response()


def _show(received: Received) -> int:
    show_id: int = received.json["data"]["booking"]["show_id"]
    return show_id


async def _append(log: Any) -> None:
    appender = log.appender(EVENTS_TOPIC)
    try:
        for number in range(EVENTS):
            show_id = 1 + number % SHOWS
            booking = Booking(
                booking_id=new_booking_id(show_id, 1_795_000_000_000, number),
                show_id=show_id,
                user_id=0,
                status=BookingStatus.CONFIRMED,
                seats=(str(number),),
                total=0,
                currency="EUR",
                created_ms=1_795_000_000_000,
            )
            at_ms = time.time_ns() // 1_000_000
            published = PublishedEvent(f"{number % 2}-{number}-0", at_ms, BookingConfirmed(booking))
            await appender.append(number % 2, encode(published))
    finally:
        await appender.close()


async def _start(database_url: str, folder: Path, ports: list[int]) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")} | {
        "AISLE_DATABASE_URL": database_url,
        "AISLE_HOME": str(folder),
        "AISLE_TICKET_KEYS": TICKET_KEYS,
        "AISLE_PORT": str(ports[0]),
        "AISLE_METRICS_PORT": str(ports[1]),
        "AISLE_SMTP_URL": f"smtp://127.0.0.1:{ports[2]}?starttls=off",
        "AISLE_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    with (folder / "notifier.log").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "notifier", env=environment, stdout=output, stderr=output
        )
