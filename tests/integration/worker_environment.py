"""An environment for tests of seat workers: a log in memory and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from runtime.log import Appender
from runtime.log.in_memory import MemoryLog
from runtime.log.opening import bind_log
from schemas.commands import BookSeats, CancelBooking, Command, OpenShow
from schemas.events import Decision
from schemas.ids import Position, new_booking_id
from schemas.layout import Layout, Money, encode_layout, layout_digest, numbered
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC, decode_decision, encode
from seat_workers.ledger import Ledger
from seat_workers.publisher import Publisher
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker

_numbers = itertools.count(1)


class NoRedis:
    """A fake Redis that records messages, for the publisher."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    def pipeline(self, transaction: bool = True) -> NoRedis:
        return self

    def publish(self, channel: str, message: bytes) -> None:
        self.published.append((channel, message))

    async def execute(self) -> None:
        pass


class WorkerEnvironment:
    """A database, a log and the commands that go through it."""

    def __init__(self, database_url: str, log: MemoryLog) -> None:
        self.database_url = database_url
        self.log = log
        self.redis = NoRedis()
        self.events: Appender = log.appender(EVENTS_TOPIC)
        self.db: Any = None
        self._digest = ""
        self._layout_id = 0

    def clock_ms(self) -> int:
        """The workers' clock."""
        return int(time.time() * 1000)

    async def open(self, seats: int = 100, layout: Layout | None = None) -> None:
        """Connects, and stores a layout: a numbered one of `seats` seats unless it is given."""
        self.db = await asyncpg.connect(self.database_url)
        await bind_log(self.db, self.log)
        body = encode_layout(layout or numbered(seats, Money(1000, "EUR")))
        self._digest = layout_digest(body)
        self._layout_id = await self.db.fetchval(
            "INSERT INTO layouts (digest, total_seats, body) VALUES ($1, $2, $3) RETURNING layout_id",
            self._digest,
            seats if layout is None else sum(len(row) for one in layout.sections for row in one.rows),
            body,
        )

    async def connect(self, name: str) -> Any:
        return await asyncpg.connect(self.database_url, server_settings={"application_name": name})

    def worker(self, ledger: Ledger | None = None) -> SeatWorker:
        ledger = ledger or Ledger(self.connect)
        timers = Timers(ledger, self.log.appender(COMMANDS_TOPIC), self.clock_ms, lambda _: uuid4())
        return SeatWorker(ledger, Publisher(self.redis, self.events), timers, "test")

    @asynccontextmanager
    async def working(self, worker: SeatWorker | None = None) -> AsyncIterator[SeatWorker]:
        """Runs a worker, and stops it in order afterwards."""
        worker = worker or self.worker()
        stop = asyncio.Event()
        reader = self.log.reader(COMMANDS_TOPIC, "workers", worker)
        running = asyncio.create_task(worker.run(reader, stop))
        try:
            yield worker
        finally:
            stop.set()
            await running
            await worker._ledger.close()

    def put(self, command: Command | bytes, partition: int = 0) -> Position:
        body = command if isinstance(command, bytes) else encode(command)
        return Position(partition, self.log.put(COMMANDS_TOPIC, partition, body))

    async def decision(self, position: Position, wait_s: float = 10) -> Decision:
        """Waits for the decision at a position."""
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            answer = await self.db.fetchval(
                "SELECT answer FROM decisions WHERE partition = $1 AND log_offset = $2",
                position.partition,
                position.offset,
            )
            if answer is not None:
                return decode_decision(answer)
            await asyncio.sleep(0.01)
        raise AssertionError(f"{position} was not decided within {wait_s} s")

    def open_show(self, show_id: int, **terms: Any) -> OpenShow:
        given: dict[str, Any] = {
            "starts_ms": 2**52,
            "seats_per_customer": 10_000,
            "command_id": uuid4(),
        } | terms
        return OpenShow(show_id=show_id, layout_id=self._layout_id, layout_digest=self._digest, **given)

    def book(self, show_id: int, *seats: str, user_id: int = 1, command_id: UUID | None = None) -> BookSeats:
        booking_id = new_booking_id(show_id, next(_numbers), next(_numbers))
        return BookSeats(
            command_id=command_id or uuid4(),
            show_id=show_id,
            user_id=user_id,
            booking_id=booking_id,
            seats=seats,
        )

    def cancel(self, booking: BookSeats, user_id: int = 1) -> CancelBooking:
        return CancelBooking(
            command_id=uuid4(), show_id=booking.show_id, user_id=user_id, booking_id=booking.booking_id
        )


@asynccontextmanager
async def opened(
    database_url: str, *, partitions: int = 2, seats: int = 100
) -> AsyncIterator[WorkerEnvironment]:
    """Opens an environment with real time and shows of `seats` seats."""
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(partitions)
    environment = WorkerEnvironment(database_url, log)
    await environment.open(seats)
    try:
        yield environment
    finally:
        await environment.db.close()
