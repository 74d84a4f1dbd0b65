"""`python -m tests.recorded.record NAME`: records what this release stores, as `NAME.copy.xz`.

The seat worker, the log in PostgreSQL, the notifier and the reports are the real ones; only log time is set by hand,
so that holds run out and command ids lapse.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from gateway.catalogue.show_requests import ShowRequest, ShowRequests
from gateway.catalogue.zones import read_zones
from gateway.reports.figures import ReportFigures
from notifier.deliveries import Deliveries
from notifier.intake import EventIntake
from notifier.pace import Pace
from notifier.reminders import Reminders
from notifier.service import notify
from ops.audit.verify import verify
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.migrations import migrate
from runtime import postgres
from runtime.log.opening import bind_log
from runtime.log.postgres import PostgresLog
from runtime.settings import read_settings
from schemas.commands import BlockSeats
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC, decode_command
from seat_workers.ledger import Ledger
from seat_workers.publisher import Publisher
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker
from tests.recorded.crowd import Crowd, ToAppend
from tests.recorded.recorded_catalogue import BEGAN, BEGAN_MS, HOUR_MS, PARTITIONS, STAFF, store
from tests.recorded.recording import FOLDER, SUFFIX, save

_PATIENCE_S = 60.0
_BEHIND = """
SELECT coalesce(bool_or(p.next_offset IS DISTINCT FROM h.next_offset), false)
  FROM log_heads h LEFT JOIN partitions p USING (partition) WHERE h.topic = $1"""
_UNREAD = """
SELECT coalesce(bool_or(o.next_offset IS DISTINCT FROM h.next_offset), false)
  FROM log_heads h LEFT JOIN consumer_offsets o USING (partition) WHERE h.topic = $1 AND h.next_offset > 0"""
_LIVE = """
SELECT show_id, booking_id, user_id, seats, status FROM bookings
 WHERE status IN ('held', 'confirmed') ORDER BY booking_id"""
_NOT_SENT = "SELECT count(*) > 0 FROM deliveries WHERE status = 'due'"
_MOMENTS = """
SELECT table_name, column_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
 WHERE c.table_schema = 'public' AND t.table_schema = 'public' AND t.table_type = 'BASE TABLE'
   AND data_type = 'timestamp with time zone' AND column_name NOT IN ('starts_at', 'sales_start_at', 'sales_end_at')"""


class NoRedis:
    """A fake Redis for the publisher that drops all messages."""

    def pipeline(self, transaction: bool = True) -> NoRedis:
        return self

    def publish(self, channel: str, message: bytes) -> None:
        """Sends nothing."""

    async def execute(self) -> None:
        """Sends nothing."""


class Recorder:
    """A database with a seat worker and a notifier, whose clocks the recorder sets."""

    def __init__(self, database: Any, url: str, log: PostgresLog) -> None:
        self.crowd = Crowd(20310303)
        self._database = database
        self._url = url
        self._log = log
        self._commands = log.appender(COMMANDS_TOPIC)
        self._events = log.appender(EVENTS_TOPIC)
        self._worker_ms = BEGAN_MS
        self._stop = asyncio.Event()
        self._timers: Timers
        self._worker: SeatWorker
        self._running: asyncio.Task[None]
        self._ledger: Ledger

    async def start(self) -> None:
        """Starts a seat worker, which takes the partitions anew."""
        self._stop = asyncio.Event()
        self._ledger = Ledger(
            lambda name: asyncpg.connect(self._url, server_settings={"application_name": name})
        )
        self._timers = Timers(self._ledger, self._commands, lambda: self._worker_ms, self.crowd.timer_id)
        self._worker = worker = SeatWorker(
            self._ledger, Publisher(NoRedis(), self._events), self._timers, "recorded"
        )
        reader = self._log.reader(COMMANDS_TOPIC, "workers", worker)
        self._running = asyncio.create_task(worker.run(reader, self._stop))

    async def stop(self) -> None:
        """Stops the seat worker in order."""
        self._stop.set()
        await self._running
        await self._ledger.close()

    async def set_log_time(self, now_ms: int) -> None:
        """Sets the log's clock, but not the worker's."""
        self.crowd.now_ms = now_ms
        await self._database.execute("UPDATE log_heads SET last_ms = $1", now_ms)

    async def set_time(self, now_ms: int) -> None:
        """Sets both clocks, and waits for the timers that are due."""
        await self.set_log_time(now_ms)
        self._worker_ms = now_ms
        await self._settled()

    async def put(self, records: list[ToAppend]) -> None:
        """Appends records and waits for their decisions."""
        await self._commands.append_many(records)
        await self._settled()
        rows = await self._database.fetch(_LIVE)
        live = [(row[0], UUID(int=row[1].int), row[2], tuple(row[3])) for row in rows]
        self.crowd.live = live
        self.crowd.held = [one for one, row in zip(live, rows, strict=True) if row["status"] == "held"]

    async def put_noted(self, record: ToAppend) -> None:
        """Blocks seats with a note, which goes into the catalogue, as a gateway does."""
        command = decode_command(record[1])
        pool = await postgres.create_pool(self._url, "gateway", min_size=1, max_size=1)
        request = ShowRequest(
            command_id=command.command_id,
            kind=type(command).__name__,
            show_id=command.show_id,
            user_id=STAFF,
            note="Kamera – „Süd“",
        )
        await ShowRequests(pool).store(request)
        await self.put([record])
        assert await ShowRequests(pool).settle(command.command_id)
        await pool.close()

    async def _settled(self) -> None:
        await self._until_not(_BEHIND, COMMANDS_TOPIC)
        deadline = time.monotonic() + _PATIENCE_S
        while any(timer.next_append_ms <= self._worker_ms for timer in self._timers._timers.values()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await self._until_not(_BEHIND, COMMANDS_TOPIC)
        await asyncio.sleep(0.05)
        await self._worker._to_publish.join()

    async def _until_not(self, query: str, *arguments: Any) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while await self._database.fetchval(query, *arguments):
            assert time.monotonic() < deadline, query
            assert not self._running.done() or self._stop.is_set(), self._running
            await asyncio.sleep(0.02)

    async def send_emails(self, home: Path) -> None:
        """Lets a notifier send all pending e-mails to the embedded inbox."""
        pool = await postgres.create_pool(self._url, "notifier", min_size=1, max_size=4)
        stop = asyncio.Event()
        settings = msgspec.structs.replace(
            read_settings({"AISLE_HOME": str(home)}), public_url="https://tickets.example"
        )
        running = asyncio.create_task(notify(settings, pool, self._log, stop))
        try:
            await self._until_not(_UNREAD, EVENTS_TOPIC)
            async with asyncio.timeout(600):
                while await self._database.fetchval(_NOT_SENT):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        finally:
            stop.set()
            await running
            await pool.close()

    async def record_emails(self) -> None:
        """Records the deliveries of new events without sending them."""
        pool = await postgres.create_pool(self._url, "notifier", min_size=1, max_size=4)
        stop = asyncio.Event()
        reminders = Reminders(pool, [])
        intake = EventIntake(self._log, Deliveries(pool, "recorded"), lambda: None, Pace(), reminders)
        running = asyncio.create_task(intake.run(stop))
        await self._until_not(_UNREAD, EVENTS_TOPIC)
        stop.set()
        await running
        await pool.close()

    async def aggregate(self) -> None:
        """Collects the figures of the reports."""
        pool = await postgres.create_pool(self._url, "reports", min_size=1, max_size=1)
        await ReportFigures(pool, await read_zones(pool, "UTC")).catch_up()
        await pool.close()


async def _run(recorder: Recorder, database: Any, home: Path, url: str, log: PostgresLog) -> None:
    crowd = recorder.crowd
    await recorder.set_log_time(BEGAN_MS)
    await recorder.start()
    await recorder.put(crowd.some(20))  # before any show is open
    await recorder.put(crowd.open_all())
    await recorder.put(crowd.changes.paid())
    await recorder.put_noted(crowd.by_staff(BlockSeats, 7, seats=("70", "71")))
    for n in range(6):
        await recorder.set_time(BEGAN_MS + n * HOUR_MS // 3)
        await recorder.put(crowd.some(80))
        await recorder.set_log_time(BEGAN_MS + n * HOUR_MS // 3 + HOUR_MS // 15)  # holds are not over yet
        await recorder.put(crowd.some(60))
    odd = crowd.odd()
    await recorder.put(odd[:4])  # the booking whose id is used again
    await recorder.put(odd[4:])
    await recorder.put(crowd.keyed("sao"))
    await recorder.stop()
    await recorder.start()  # with an empty memory: ids are found by the index of the database
    await recorder.put(crowd.keyed("a"))
    for n in range(6, 14):
        # Log time first, so that the next commands expire the holds; then the worker's clock, for its ExpireHolds.
        await recorder.set_log_time(BEGAN_MS + n * HOUR_MS // 2)
        await recorder.put(crowd.some(110))
        await recorder.set_time(BEGAN_MS + n * HOUR_MS // 2)
    await recorder.put(crowd.many(8, 1_030))
    await recorder.put([crowd.cancelled_show(8), crowd.cancelled_show(8), crowd.cancelled_show(6)])
    await database.execute(
        "INSERT INTO letters_wanted (user_id, kind, data) SELECT n, 'welcome', '{}' FROM generate_series(1, 6) n;"
        "INSERT INTO letters_wanted (user_id, kind, data) VALUES (2, 'password_reset', '{\"token\": \"recorded\"}')"
    )
    await recorder.send_emails(home)
    await recorder.aggregate()
    await recorder.stop()
    verified = await verify(url, log, checkpoint=True)
    assert verified.differences == [], verified.differences[:5]
    await recorder.set_log_time(BEGAN_MS + 58 * HOUR_MS)  # earlier command ids have expired
    await recorder.start()
    await recorder.set_time(BEGAN_MS + 58 * HOUR_MS)
    await recorder.put(crowd.keyed("so"))
    await recorder.put(crowd.some(400))
    # After the aggregation: that of the recorded release fails on these labels.
    await recorder.put(crowd.poison())
    await recorder.set_time(BEGAN_MS + 60 * HOUR_MS)
    await recorder.put(crowd.some(300))
    await recorder.stop()
    await recorder.record_emails()
    await database.execute(
        "INSERT INTO letters_wanted (user_id, kind, data) VALUES (7, 'welcome', '{}'),"
        " (8, 'password_reset', '{\"token\": \"not taken yet\"}')"
    )
    verified = await verify(url, log, from_start=True)
    assert verified.differences == [], verified.differences[:5]
    for table, column in await database.fetch(_MOMENTS):
        await database.execute(f"UPDATE {table} SET {column} = $1 WHERE {column} IS NOT NULL", BEGAN)


async def record(home: Path, name: str) -> None:
    """Records a release under this name."""
    server = EmbeddedPostgres(home)
    with run_servers(server):
        admin = await asyncpg.connect(server.url_of("postgres"))
        await admin.execute("CREATE DATABASE recorded")
        await admin.close()
        url = server.url_of("recorded")
        await migrate(url)
        database = await asyncpg.connect(url)
        log = PostgresLog(url)
        await log.create(PARTITIONS)
        await database.execute("UPDATE log_topics SET topic_id = md5(topic)::uuid")
        await bind_log(database, log)
        await store(database)
        recorder = Recorder(database, url, log)
        await _run(recorder, database, home, url, log)
        for appender in (recorder._commands, recorder._events):
            await appender.close()
        await log.close()
        await database.close()
        await save(url, FOLDER / f"{name}{SUFFIX}", name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="aisle-recorded-") as folder:
        asyncio.run(record(Path(folder), sys.argv[1]))
