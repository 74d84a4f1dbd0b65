"""Metrics that every service has: event loop, garbage collection, database pools, errors of servers, release."""

from __future__ import annotations

import asyncio
import gc
import platform
import time
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector
from prometheus_client.core import Metric

from runtime import backends
from runtime.asyncpg_private import waiting_for_connection
from runtime.metrics import Histogram, MetricsSource, counter, gauge, histogram
from runtime.postgres import Pool

_LOOP_INTERVAL_S = 0.1
_LOOP_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_GC_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class ProcessMetrics:
    """Metrics of this process, followed by those of its service. It measures between `start` and `stop`."""

    def __init__(self, source: MetricsSource, pools: Mapping[str, Pool]) -> None:
        self._source = source
        self._pools = pools
        self._loop = asyncio.get_running_loop()
        self._loop_delay = Histogram(_LOOP_BUCKETS_S)
        self._pauses: dict[tuple[str, ...], Histogram] = {
            (str(generation),): Histogram(_GC_BUCKETS_S) for generation in range(3)
        }
        self._collection_began_s = 0.0
        self._collections = GCCollector(registry=CollectorRegistry())
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to measure the event loop and the garbage collection."""
        gc.callbacks.append(self._on_collection)
        self._wait()

    def stop(self) -> None:
        """Ends what `start` began."""
        gc.callbacks.remove(self._on_collection)
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        due_s = time.perf_counter() + _LOOP_INTERVAL_S
        self._timer = self._loop.call_later(_LOOP_INTERVAL_S, self._on_time, due_s)

    def _on_time(self, due_s: float) -> None:
        self._loop_delay.observe(max(0.0, time.perf_counter() - due_s))
        self._wait()

    def _on_collection(self, phase: str, found: Mapping[str, Any]) -> None:
        if phase == "start":
            self._collection_began_s = time.perf_counter()
        else:
            took_s = time.perf_counter() - self._collection_began_s
            self._pauses[str(found["generation"]),].observe(took_s)

    async def metrics(self) -> AsyncIterator[Metric]:
        """The current metric families, those of the service last."""
        yield gauge(
            "aisle_build_info",
            "Always 1; the labels name the release and its Python.",
            ["version", "python"],
            {(version("aisle"), platform.python_version()): 1},
        )
        yield histogram(
            "aisle_event_loop_delay_seconds",
            "Lateness of a timer, measured ten times a second: how long the event loop was busy.",
            [],
            {(): self._loop_delay},
        )
        for family in self._collections.collect():
            if family.name == "python_gc_collections":
                yield family
        yield histogram(
            "aisle_gc_pause_seconds",
            "Pauses for garbage collection, by generation.",
            ["generation"],
            self._pauses,
        )
        pools = self._pools.items()
        yield gauge(
            "aisle_database_pool_connections",
            "Open connections of a pool.",
            ["pool"],
            {(name,): pool.get_size() for name, pool in pools},
        )
        yield gauge(
            "aisle_database_pool_connections_in_use",
            "Connections of a pool that are in use.",
            ["pool"],
            {(name,): pool.get_size() - pool.get_idle_size() for name, pool in pools},
        )
        yield gauge(
            "aisle_database_pool_connections_max",
            "Connections that a pool opens at most.",
            ["pool"],
            {(name,): pool.get_max_size() for name, pool in pools},
        )
        yield gauge(
            "aisle_database_pool_waiting",
            "Calls that wait for a connection of a pool.",
            ["pool"],
            {(name,): waiting_for_connection(pool) for name, pool in pools},
        )
        labels = ["server", "operation"]
        yield counter(
            "aisle_server_errors", "Errors of Redis and of the log, by operation.", labels, backends.errors()
        )
        yield counter(
            "aisle_server_reconnects",
            "How often an operation worked again after errors.",
            labels,
            backends.reconnects(),
        )
        async for family in self._source.metrics():
            yield family
