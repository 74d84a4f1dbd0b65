"""`python -m loadtest.emails`: notifiers send confirmations with PDF tickets to a mail server on this machine.

Prints the time from the first e-mail to the last one, and the processor time of each part for one e-mail. The
notifiers run at the lowest priority, as under `aisle up`; the mail server runs in this process.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import asyncpg
import psutil
import typer
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from loadtest.free_ports import free_port
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.keys import ticket_keys
from ops.migrations import migrate
from runtime.log.opening import bind_log, open_log
from schemas.events import Booking, BookingConfirmed, BookingStatus
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section, encode_layout, layout_digest
from schemas.wire import encode

_LAYOUT = Layout((Section("Stalls", Money(1250, "EUR"), (Row("C", 20),)),))
_NOW_MS = 1_795_000_000_000
_WITHIN_S = 1800.0
_USERS = """
INSERT INTO users (user_id, username, email, name, password_hash, email_confirmed)
SELECT n, 'user' || n, 'user' || n || '@example.org', 'Ada Lovelace', 'x', true FROM generate_series(100, $1) n"""
_BOOKINGS = """
INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition, log_offset)
SELECT id, 7, user_id, 'confirmed', '{C12,C13}', 2500, 'EUR', $3, 0, user_id
  FROM unnest($1::uuid[], $2::bigint[]) b (id, user_id)"""
_DELIVERIES = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
SELECT '0-' || user_id || '-0', 'booking_confirmed', user_id, id, payload
  FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) d (id, user_id, payload)"""


class _Sink:
    """Accepts every message and counts them."""

    def __init__(self) -> None:
        self.received = 0
        self.first_s = self.last_s = 0.0
        self.bytes = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.last_s = time.perf_counter()
        self.first_s = self.first_s or self.last_s
        self.received += 1
        self.bytes += len(envelope.content or b"")
        return "250 OK"


async def _fill(url: str, count: int) -> None:
    await migrate(url)
    log = await open_log(None, url)
    database = await asyncpg.connect(url)
    try:
        await log.create(4)
        await bind_log(database, log)
        body = encode_layout(_LAYOUT)
        await database.execute(
            "INSERT INTO movies (movie_id, title, duration_minutes) VALUES (1, 'Noon', 128)"
        )
        await database.execute(
            "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, $1, 20, $2)",
            layout_digest(body),
            body,
        )
        await database.execute(
            "INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, "
            "partition) VALUES (7, 1, 'Screen 3', $1, 'Europe/Berlin', 1, 10, 0)",
            datetime.now(UTC) + timedelta(days=3),
        )
        await database.execute(_USERS, 99 + count)
        bookings = [_booking(100 + n) for n in range(count)]
        ids, users = [one.booking_id for one in bookings], [one.user_id for one in bookings]
        await database.execute(_BOOKINGS, ids, users, _NOW_MS)
        payloads = [encode(BookingConfirmed(one)) for one in bookings]
        await database.execute(_DELIVERIES, ids, users, payloads)
        await database.execute("ANALYZE")
    finally:
        await database.close()
        await log.close()


def _booking(user_id: int) -> Booking:
    return Booking(
        booking_id=new_booking_id(7, _NOW_MS, user_id),
        show_id=7,
        user_id=user_id,
        status=BookingStatus.CONFIRMED,
        seats=("C12", "C13"),
        total=2500,
        currency="EUR",
        created_ms=_NOW_MS,
    )


def _start(home: Path, url: str, smtp_port: int, keys: str) -> subprocess.Popen[bytes]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    more = {
        "AISLE_DATABASE_URL": url,
        "AISLE_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}?starttls=off",
        "AISLE_HOME": str(home),
        "AISLE_METRICS_PORT": str(free_port()),
        "AISLE_TICKET_KEYS": keys,
        "AISLE_LOG_LEVEL": "error",
    }
    child = subprocess.Popen([sys.executable, "-m", "notifier"], env=given | more)
    os.setpriority(os.PRIO_PROCESS, child.pid, 19)
    os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
    return child


def _cpu_s(pid: int) -> float:
    """Processor time of a process with its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _measure(home: Path, postgres: EmbeddedPostgres, count: int, notifiers: int) -> None:
    asyncio.run(_fill(postgres.url, count))
    sink = _Sink()
    port = free_port()
    server = Controller(sink, "127.0.0.1", port, data_size_limit=2**25)
    server.start()
    keys = ticket_keys(home)
    children = [_start(home, postgres.url, port, keys) for _ in range(notifiers)]
    main = int((postgres.data / "postmaster.pid").read_text().split()[0])
    try:
        began, own_s, database_s = time.perf_counter(), time.process_time(), _cpu_s(main)
        while sink.received < count:
            if time.perf_counter() - began > _WITHIN_S or any(one.poll() is not None for one in children):
                raise SystemExit(f"{sink.received} of {count} e-mails only")
            time.sleep(0.05)
        took_s = sink.last_s - sink.first_s
        parts = {
            "notifiers": sum(_cpu_s(one.pid) for one in children),
            "mail server": time.process_time() - own_s,
            "PostgreSQL": _cpu_s(main) - database_s,
        }
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
        server.stop()
    spent = ", ".join(f"{name} {1000 * used / count:.1f} ms" for name, used in parts.items())
    print(
        f"{count} confirmations with two tickets each, {sink.bytes / count / 1000:.0f} kB, by {notifiers} notifiers:"
        f" {took_s:.1f} s, {count / took_s:.0f} a second; processor time of one: {spent}"
    )


def main(
    count: Annotated[int, typer.Option(min=10, help="E-mails.")] = 10_000,
    notifiers: Annotated[int, typer.Option(min=1, help="Processes that send them.")] = 2,
) -> None:
    """Measures on a PostgreSQL of its own, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="aisle-emails") as folder:
        postgres = EmbeddedPostgres(Path(folder))
        with run_servers(postgres):
            _measure(Path(folder), postgres, count, notifiers)


if __name__ == "__main__":
    typer.run(main)
