"""Metrics of a seat worker, from batches on a real PostgreSQL."""

from __future__ import annotations

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from runtime.log.in_memory import MemoryLog
from runtime.metrics import exposition
from schemas.wire import COMMANDS_TOPIC
from seat_workers.metrics import MeasuredLedger, MeasuredMember, WorkerMetrics
from tests.integration.worker_environment import WorkerEnvironment


async def samples(metrics: WorkerMetrics) -> dict[str, float]:
    """Samples by name and label values, as `name value value`."""
    text = (await exposition(metrics, "w")).decode()
    return {
        " ".join(
            [sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "process")]
        ): (sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_of_commands_batches_and_partitions(database_url: str) -> None:
    log = MemoryLog(lambda: 1_800_000_000_000)
    await log.create(2)
    environment = WorkerEnvironment(database_url, log)
    await environment.open()
    metrics = WorkerMetrics(log)
    worker = environment.worker(MeasuredLedger(environment.connect, metrics))
    metrics.shows_in_memory = lambda: worker.shows_in_memory
    stop = asyncio.Event()
    reader = log.reader(COMMANDS_TOPIC, "workers", MeasuredMember(worker, metrics))
    running = asyncio.create_task(worker.run(reader, stop))
    try:
        environment.put(environment.open_show(7))
        environment.put(environment.book(7, "1", "2"))
        environment.put(environment.book(7, "2", user_id=2))
        environment.put(b"no command")
        await environment.decision(environment.put(environment.book(7, "3")))
        # PostgreSQL shows a commit before the worker notices.
        while (now := await samples(metrics))["aisle_batch_commands_sum"] < 5:
            assert not running.done()
            await asyncio.sleep(0.01)
        assert now["aisle_commands_decided_total OpenShow accepted"] == 1
        assert now["aisle_commands_decided_total BookSeats accepted"] == 2
        assert now["aisle_commands_decided_total BookSeats seat_taken"] == 1
        assert now["aisle_commands_decided_total none malformed"] == 1
        assert now["aisle_batch_commands_sum"] == 5
        assert now["aisle_batch_commands_count"] == now["aisle_commit_seconds_count"] >= 1
        assert now["aisle_commit_seconds_sum"] > 0
        assert now["aisle_commits_refused_total"] == 0
        assert now["aisle_shows_in_memory"] == 1
        assert (now["aisle_partition_next_offset 0"], now["aisle_partition_next_offset 1"]) == (5, 0)
        assert now["aisle_partition_epoch 0"] == 1
        assert (now["aisle_partition_lag 0"], now["aisle_partition_lag 1"]) == (0, 0)
    finally:
        stop.set()
        await running
    environment.put(environment.book(7, "4"))
    gone = await samples(metrics)
    assert not any(name.startswith("aisle_partition") for name in gone), "the partitions were given back"
    await worker._ledger.close()
    await environment.db.close()
