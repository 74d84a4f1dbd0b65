"""Seat workers that the consumer group of Kafka has lost: they rejoin, and health says which decisions are missing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from runtime.log.kafka_reader import SESSION_MS
from schemas.wire import COMMANDS_TOPIC
from seat_workers.__main__ import GROUP
from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.chaos.test_takeover import watched

pytestmark = pytest.mark.kafka

READERS = f"{GROUP}.{COMMANDS_TOPIC}"
BACK_S = 60.0
"""Limit in seconds for busy machines; docs/reliability.md has the times seen."""

Record = Callable[[str, object], None]


async def test_a_worker_frozen_while_the_coordinator_restarts_rejoins(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    instance = kafka_instance
    assert instance.cluster is not None
    async with watched(instance, first_user) as watch:
        await _all_in_group(instance)
        victim = instance.workers[0]
        async with _administration(instance) as admin:
            coordinator = instance.cluster.nodes[await admin.find_coordinator(READERS) - 1]
        instance.hit(victim, signal.SIGSTOP)
        frozen_until = time.monotonic() + 3 * SESSION_MS / 1000
        try:
            coordinator.kill()
            await asyncio.sleep(1)
            coordinator.spawn()
            await watch.book(*range(watch.partitions))
            assert await watch.owned_by(victim) == []
            await asyncio.to_thread(coordinator.wait_ready)
            await asyncio.sleep(max(0.0, frozen_until - time.monotonic()))
        finally:
            instance.hit(victim, signal.SIGCONT)
        began_s = time.monotonic()
        await _all_in_group(instance)
        record_property("rejoined_s", round(time.monotonic() - began_s, 2))
        await watch.book(*range(watch.partitions))
    assert instance.command("verify").returncode == 0


async def test_workers_removed_from_the_group_rejoin(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with watched(kafka_instance, first_user) as watch, _administration(kafka_instance) as admin:
        before = await _all_in_group(kafka_instance)
        coordinator = await admin.find_coordinator(READERS)
        for member in before:
            answer = await admin._send_request(LeaveGroupRequest(READERS, member), coordinator)
            assert answer.error_code == 0
        began_s = time.monotonic()
        assert (await _all_in_group(kafka_instance, before)).isdisjoint(before)
        record_property("rejoined_s", round(time.monotonic() - began_s, 2))
        await watch.book(*range(watch.partitions))


async def test_health_names_the_partitions_of_stopped_workers(
    kafka_instance: ChaosInstance, first_user: int
) -> None:
    instance = kafka_instance
    async with watched(instance, first_user) as watch, instance.client(first_user) as client:
        for worker in instance.workers:
            instance.hit(worker, signal.SIGSTOP)
        try:
            booking = asyncio.create_task(watch.book(0))

            async def named() -> bool:
                answer = await client.get("/health/ready")
                return answer.status_code == 503 and any(
                    "seat worker of the partitions 0" in one for one in answer.json()["missing"]
                )

            await eventually(named, "health does not name the partition")
        finally:
            for worker in instance.workers:
                instance.hit(worker, signal.SIGCONT)
            await booking
        await _all_in_group(instance)
        await instance.wait_until_ready()


async def _all_in_group(instance: ChaosInstance, before: Collection[str] = ()) -> set[str]:
    """Waits until the group has every worker, and none of the members before. Returns the ids of its members."""
    found: set[str] = set()

    async def all_in() -> bool:
        nonlocal found
        try:
            async with _administration(instance) as admin:
                (answer,) = await admin.describe_consumer_groups([READERS])
        except KafkaError:
            return False
        ((_, _, state, _, _, members, *_),) = answer.groups
        found = {member[0] for member in members}
        return state == "Stable" and len(found) == len(instance.workers) and found.isdisjoint(before)

    await eventually(all_in, "not every worker is in the group", BACK_S)
    return found


@asynccontextmanager
async def _administration(instance: ChaosInstance) -> AsyncIterator[AIOKafkaAdminClient]:
    assert instance.kafka is not None
    admin = AIOKafkaAdminClient(bootstrap_servers=instance.kafka.split(","))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
