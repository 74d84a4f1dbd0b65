"""Facts that `aisle top` adds from the database: partitions without a seat worker, shows on sale, seats left."""

from __future__ import annotations

import time

import asyncpg
import pytest

from ops.top.frame import Partition
from ops.top.partition_facts import PartitionFacts

HELD = Partition(0, "seat-worker-1", 3, lag=5)
SHOW = """
INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, starts_ms,
                         seats_per_customer, payment)
SELECT id, $1, 'open', 0, $2, 1, repeat('0', 64), $3, 4, 'none' FROM unnest($4::bigint[]) id"""


async def test_shows_and_partitions_without_a_worker(
    database: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_ms = int((time.time() + 3600) * 1000)
    await database.execute("INSERT INTO partitions (partition, epoch) VALUES (0, 3), (1, 7)")
    await database.execute(SHOW, 1, 40, later_ms, [11, 12])
    await database.execute(SHOW, 1, 40, 1000, [13])  # is over
    facts = PartitionFacts(database_url)
    try:
        assert await facts.complete([HELD]) == [
            Partition(0, "seat-worker-1", 3, lag=5, shows=0, seats_left=0),
            Partition(1, "", 7, shows=2, seats_left=80),
        ]
        await database.execute("UPDATE show_states SET available = 39")
        assert (await facts.complete([]))[1].seats_left == 80, "it does not ask at each scrape"
        monkeypatch.setattr(facts, "_next_s", 0.0)
        assert (await facts.complete([]))[1].seats_left == 78
        await database.execute("ALTER TABLE show_states RENAME TO gone")
        monkeypatch.setattr(facts, "_next_s", 0.0)
        assert await facts.complete([HELD]) == [HELD], "an error of the database leaves them unknown"
    finally:
        await facts.close()


async def test_without_a_database_nothing_is_added() -> None:
    for url in (None, "postgresql://nobody@127.0.0.1:1/none"):
        facts = PartitionFacts(url)
        assert await facts.complete([HELD]) == [HELD]
        await facts.close()
