"""`python -m seat_workers` runs one seat worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from functools import partial
from typing import Any
from uuid import UUID

from runtime import postgres, redis
from runtime.handover import Handover
from runtime.log import Appender
from runtime.log.opening import bind_log, check_bounds, open_log
from runtime.metrics_server import serve_metrics
from runtime.process import group_instance, run_service, settle_gc
from runtime.service_manager import READY, notify
from runtime.settings import SettingError, Settings
from runtime.tracing import Tracing, open_tracing
from schemas.ids import fresh_command_id
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from seat_workers.metrics import MeasuredLedger, MeasuredMember, WorkerMetrics
from seat_workers.publisher import Publisher
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker

GROUP = "aisle-seat-workers"
SERVICE = "seat-worker"

_NEXT_OFFSETS = "SELECT partition, next_offset FROM partitions"


async def work(settings: Settings, stop: asyncio.Event, *, metrics: bool = False) -> None:
    """Runs one seat worker until `stop`. `metrics`: whether to serve its metrics."""
    if settings.database_url is None or settings.redis_url is None:
        raise SettingError("AISLE_DATABASE_URL and AISLE_REDIS_URL are needed; `aisle up` sets them itself")
    database_url = settings.database_url
    handover = Handover(settings)

    async def connect(name: str) -> Any:
        return await postgres.connect(database_url, name)

    log = await open_log(settings.kafka, database_url, instance=group_instance(settings))
    events = log.appender(EVENTS_TOPIC)
    commands = log.appender(COMMANDS_TOPIC)
    worker_metrics = WorkerMetrics(log)
    redis_client = redis.connect(settings.redis_url)
    stack = contextlib.AsyncExitStack()
    tracing = await stack.enter_async_context(open_tracing(settings, SERVICE))
    ledger, publisher = _ledger_and_publisher(tracing, connect, worker_metrics, redis_client, events)
    try:
        connection = await connect("seat worker, start")
        try:
            await bind_log(connection, log)
            check_bounds(dict(await connection.fetch(_NEXT_OFFSETS)), await log.bounds(COMMANDS_TOPIC))
        finally:
            await connection.close()
        name = f"{settings.process or SERVICE} {socket.gethostname()}:{os.getpid()}"
        timers = Timers(ledger, commands, _clock_ms, _new_id)
        worker = SeatWorker(ledger, publisher, timers, name)
        worker_metrics.shows_in_memory = lambda: worker.shows_in_memory
        worker_metrics.batches_ahead = lambda: worker.batches_ahead
        metrics_server = (
            serve_metrics(settings, SERVICE, worker_metrics) if metrics else contextlib.nullcontext()
        )
        async with metrics_server:
            settle_gc()
            member = MeasuredMember(worker, worker_metrics)
            reader = log.reader(COMMANDS_TOPIC, GROUP, member)
            await asyncio.gather(ledger.prepare(), reader.prepare())
            await handover.wait_for_predecessor(stop)
            await worker.run(
                reader,
                stop,
                on_ready=partial(notify, READY),
                has_successor=handover.has_successor,
            )
            handover.release()
    finally:
        await commands.close()
        await events.close()
        await ledger.close()
        await redis_client.aclose()
        await log.close()
        await stack.aclose()


def _ledger_and_publisher(
    tracing: Tracing | None, connect: Any, metrics: WorkerMetrics, redis_client: Any, events: Appender
) -> tuple[MeasuredLedger, Publisher]:
    """The ledger and the publisher: with spans where tracing is on, which costs nothing where it is off."""
    if tracing is None:
        return MeasuredLedger(connect, metrics), Publisher(redis_client, events)
    from seat_workers.tracing import TracedLedger, TracedPublisher

    ledger = TracedLedger(tracing, connect, metrics)
    return ledger, TracedPublisher(tracing, ledger, redis_client, events)


def _clock_ms() -> int:
    return int(time.time() * 1000)


def _new_id(now_ms: int) -> UUID:
    return fresh_command_id(now_ms, secrets.randbits(74))


if __name__ == "__main__":
    run_service(SERVICE, partial(work, metrics=True))
