"""Metrics of every service: pools of a real PostgreSQL, garbage collection, event loop, a lost Redis."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator

import redis.asyncio
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from runtime import postgres
from runtime.metrics import exposition, gauge
from runtime.process_metrics import ProcessMetrics
from seat_workers.publisher import Publisher


class Nothing:
    async def metrics(self) -> AsyncIterator[Metric]:
        yield gauge("nothing", "A family without samples.", [], {})


async def samples(metrics: ProcessMetrics) -> dict[str, float]:
    """Samples as `name value value`."""
    text = (await exposition(metrics, "p")).decode()
    return {
        " ".join([one.name, *(value for label, value in sorted(one.labels.items()) if label != "process")]): (
            one.value
        )
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


async def test_connections_of_a_pool_and_calls_that_wait_for_one(database_url: str) -> None:
    pool = await postgres.create_pool(database_url, "test", min_size=1, max_size=2)
    metrics = ProcessMetrics(Nothing(), {"main": pool})

    async def now() -> list[float]:
        found = await samples(metrics)
        names = ("connections", "connections_in_use", "connections_max", "waiting")
        return [found[f"aisle_database_pool_{name} main"] for name in names]

    assert await now() == [1, 0, 2, 0]
    async with pool.acquire(), pool.acquire():
        late = asyncio.create_task(pool.fetchval("SELECT 1"))
        await asyncio.sleep(0)
        assert await now() == [2, 2, 2, 1]
    assert await late == 1
    assert await now() == [2, 0, 2, 0]
    await pool.close()


async def test_collections_and_a_blocked_event_loop_are_measured() -> None:
    metrics = ProcessMetrics(Nothing(), {})
    metrics.start()
    try:
        gc.collect(1)
        before = await samples(metrics)
        gc.collect(1)
        async with asyncio.timeout(20):
            while (now := await samples(metrics))["aisle_event_loop_delay_seconds_sum"] < 0.02:
                time.sleep(0.15)  # noqa: ASYNC251 - the loop is blocked, which is what is measured
                await asyncio.sleep(0.01)
        assert now["python_gc_collections_total 1"] >= before["python_gc_collections_total 1"] + 1
        assert now["aisle_gc_pause_seconds_count 1"] >= before["aisle_gc_pause_seconds_count 1"] + 1
        assert now["aisle_gc_pause_seconds_sum 1"] > 0
    finally:
        metrics.stop()
    assert metrics._on_collection not in gc.callbacks


async def test_a_lost_redis_is_counted_and_its_return(redis_url: str) -> None:
    metrics = ProcessMetrics(Nothing(), {})
    async with redis.asyncio.Redis.from_url(redis_url) as there, redis.asyncio.Redis(port=1) as away:
        publisher = Publisher(away, None)  # type: ignore[arg-type]
        before = await samples(metrics)
        await publisher._notify_gateways([("channel", b"x")])
        publisher._redis, publisher._redis_retry_at_s = there, 0.0
        await publisher._notify_gateways([("channel", b"x")])
        now = await samples(metrics)
    key = "publish redis"
    for name in ("aisle_server_errors_total", "aisle_server_reconnects_total"):
        assert now[f"{name} {key}"] == before[f"{name} {key}"] + 1
