"""A notifier that is killed again and again in a burst: every e-mail arrives, and only an uncertain one twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from runtime.log.opening import bind_log, open_log
from schemas.events import BookingCancelled, BookingConfirmed
from schemas.wire import encode
from tests.conftest import TICKET_KEYS
from tests.integration.mail_server import RecordingMailServer
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened

EMAILS = 2_000
KILLS = 10
WITH_TICKETS = 20
"""One of this number is a confirmation with its PDF; the others, which are made sooner, are cancellations."""
_NOTIFIER = """
import runpy
from notifier import pace
pace.BUSY = 2.0  # other tests that run meanwhile are no reason to send more slowly
runpy.run_module("notifier", run_name="__main__")
"""
_INSERT = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::bytea[])"""


class SessionServer(RecordingMailServer):
    """Records the Message-IDs that each connection delivered, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[int, list[str]] = {}
        self.accepted: list[str] = []
        self._kept: list[Session] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = await super().handle_DATA(server, session, envelope)
        message_id = self.messages[-1]["Message-ID"]
        if session not in self._kept:
            self._kept.append(session)
        self.sessions.setdefault(self._kept.index(session), []).append(message_id)
        self.accepted.append(message_id)
        self.messages.clear()
        return reply


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        yield environment


async def test_ten_kills_in_a_burst_lose_nothing_and_repeat_only_the_uncertain(
    environment: NotifierEnvironment,
) -> None:
    server = SessionServer()
    await server.open()
    await _burst(environment)
    child: subprocess.Popen[bytes] | None = None
    try:
        for kill in range(KILLS):
            child = _start(environment, server)
            before = len(server.accepted)
            # Somewhere in the middle of a batch, and at another place each time.
            await _until(lambda count=before + 40 + 7 * kill: len(server.accepted) >= count, child)
            child.send_signal(signal.SIGKILL)
            child.wait()
        await environment.make_due()
        child = _start(environment, server)
        await _until(lambda: len(set(server.accepted)) >= EMAILS, child)
        async with asyncio.timeout(60):
            while await environment.database.fetchval(  # noqa: ASYNC110
                "SELECT count(*) FROM deliveries WHERE status <> 'sent'"
            ):
                await asyncio.sleep(0.1)
    finally:
        if child is not None and child.poll() is None:
            child.terminate()
            await asyncio.to_thread(child.wait, 30)
        await server.close()
    times = Counter(server.accepted)
    assert len(times) == EMAILS
    last_of_sessions = {ids[-1] for ids in server.sessions.values()}
    assert {one for one, count in times.items() if count > 1} <= last_of_sessions
    assert sum(times.values()) <= EMAILS + KILLS


async def _burst(environment: NotifierEnvironment) -> None:
    log = await open_log(None, environment.database_url)
    try:
        await log.create(4)
        await bind_log(environment.database, log)
    finally:
        await log.close()
    await environment.database.execute(
        "INSERT INTO users (user_id, username, email, password_hash) "
        "SELECT n, 'user' || n, 'user' || n || '@example.org', 'x' FROM generate_series(100, $1) n",
        99 + EMAILS,
    )
    rows = []
    for number in range(EMAILS):
        booking = environment.booking(100 + number)
        tickets = number % WITH_TICKETS == 0
        event: Any = BookingConfirmed(booking) if tickets else BookingCancelled(booking)
        kind = "booking_confirmed" if tickets else "booking_cancelled"
        rows.append((f"0-{number}-0", kind, booking.user_id, booking.booking_id, encode(event)))
    await environment.database.execute(_INSERT, *map(list, zip(*rows, strict=True)))


def _start(environment: NotifierEnvironment, server: SessionServer) -> subprocess.Popen[bytes]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    more = {
        "AISLE_DATABASE_URL": environment.database_url,
        "AISLE_SMTP_URL": f"{server.url}?starttls=off",
        "AISLE_HOME": str(environment.settings.home),
        "AISLE_TICKET_KEYS": TICKET_KEYS,
        "AISLE_METRICS_PORT": str(_free_port()),
        "AISLE_LOG_LEVEL": "warning",
    }
    return subprocess.Popen([sys.executable, "-c", _NOTIFIER], env=given | more)


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


async def _until(condition: Any, child: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(240):
        while not condition():
            assert child.poll() is None, "the notifier ended by itself"
            await asyncio.sleep(0.02)
