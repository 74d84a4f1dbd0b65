"""Aisle on three Kafka nodes and a PostgreSQL with a synchronous standby."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from ops.kafka.node import KafkaCluster
from tests.chaos.chaos_instance import SETTINGS
from tests.e2e.running import RunningAisle
from tests.failures.buyers import Buyers
from tests.failures.replicated_postgres import STANDBY, Server

_STREAMING = (
    "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')"
)
_STREAMING_S = 60.0
BOTH_NEEDED = f"ANY 1 ({STANDBY})"
"""Value of synchronous_standby_names: a commit waits until the standby has it on its disk, too."""


class Instance:
    """The parts, for scenarios to end and to start."""

    def __init__(self, kafka: KafkaCluster, primary: Server, standby: Server, aisle: RunningAisle) -> None:
        self.kafka = kafka
        self.primary = primary
        self.standby = standby
        self.aisle = aisle
        self.buyers = Buyers(aisle)

    async def standby_is_synchronous(self) -> None:
        """Waits until commits wait for the standby."""
        connection = await self.primary.connect()
        try:
            deadline = time.monotonic() + _STREAMING_S
            while not await connection.fetchval(_STREAMING):
                if time.monotonic() > deadline:
                    raise TimeoutError("the standby does not stream")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Instance]:
    """Starts everything in a new folder, and ends it."""
    kafka = KafkaCluster(folder / "kafka", nodes=3)
    primary = Server(folder / "primary")
    standby = Server(folder / "standby")
    aisle = RunningAisle(
        folder / "aisle",
        SETTINGS
        | {
            "AISLE_PARTITIONS": "8",
            "AISLE_WORKERS": "2",
            "AISLE_KAFKA": kafka.address,
            "AISLE_SAMPLE_DATA": "on",
            "AISLE_DATABASE_URL": (
                f"postgresql://aisle@{primary.address},{standby.address}/aisle?target_session_attrs=read-write"
            ),
        },
    )
    try:
        primary.prepare()
        primary.run()
        standby.clone(primary)
        standby.run()
        kafka.start()
        instance = Instance(kafka, primary, standby, aisle)
        await primary.execute(
            f"ALTER SYSTEM SET synchronous_standby_names = '{BOTH_NEEDED}'", "SELECT pg_reload_conf()"
        )
        await instance.standby_is_synchronous()
        await aisle.start()
        yield instance
    finally:
        if aisle.process is not None:
            aisle.stop()
        kafka.kill()
        standby.kill()
        primary.kill()
