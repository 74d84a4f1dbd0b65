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
from runtime.log.opening import bind_log, check_bounds, open_log
from runtime.metrics_server import serve_metrics
from runtime.process import group_instance, run_service, settle_gc
from runtime.settings import SettingError, Settings
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

    async def connect(name: str) -> Any:
        return await postgres.connect(database_url, name)

    log = await open_log(settings.kafka, database_url, instance=group_instance(settings))
    events = log.appender(EVENTS_TOPIC)
    commands = log.appender(COMMANDS_TOPIC)
    worker_metrics = WorkerMetrics(log)
    ledger = MeasuredLedger(connect, worker_metrics)
    redis_client = redis.connect(settings.redis_url)
    try:
        connection = await connect("seat worker, start")
        try:
            await bind_log(connection, log)
            check_bounds(dict(await connection.fetch(_NEXT_OFFSETS)), await log.bounds(COMMANDS_TOPIC))
        finally:
            await connection.close()
        name = f"{socket.gethostname()}:{os.getpid()}"
        timers = Timers(ledger, commands, _clock_ms, _new_id)
        worker = SeatWorker(ledger, Publisher(redis_client, events), timers, name)
        worker_metrics.shows_in_memory = lambda: worker.shows_in_memory
        metrics_server = (
            serve_metrics(settings, SERVICE, worker_metrics) if metrics else contextlib.nullcontext()
        )
        async with metrics_server:
            settle_gc()
            member = MeasuredMember(worker, worker_metrics)
            await worker.run(log.reader(COMMANDS_TOPIC, GROUP, member), stop)
    finally:
        await commands.close()
        await events.close()
        await ledger.close()
        await redis_client.aclose()
        await log.close()


def _clock_ms() -> int:
    return int(time.time() * 1000)


def _new_id(now_ms: int) -> UUID:
    return fresh_command_id(now_ms, secrets.randbits(74))


if __name__ == "__main__":
    run_service(SERVICE, partial(work, metrics=True))
