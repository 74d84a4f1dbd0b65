"""Time until another worker takes over the partitions of a killed or frozen one."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from tests.chaos.chaos_instance import ChaosInstance, eventually

OWNERS = "SELECT partition, owner FROM partitions"
PARTITIONS = "SELECT count(*) FROM partitions"
READERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%workers reads aisle.commands'"


TAKEN_OVER_S = 15.0
"""Limit in seconds, many times the usual value for busy machines; docs/reliability.md has the measured times."""

Record = Callable[[str, object], None]


class Watch:
    """One show on every partition, and the owners of the partitions."""

    def __init__(
        self, instance: ChaosInstance, customer: httpx.AsyncClient, database: asyncpg.Connection
    ) -> None:
        self.instance = instance
        self._customer = customer
        self._database = database
        self._shows: dict[int, int] = {}
        self.partitions = 0
        self._seats = 0

    async def prepare(self) -> None:
        """Makes a show on every partition, and waits until every worker is active or on standby."""
        self.partitions = await self._database.fetchval(PARTITIONS)
        for partition in range(self.partitions):
            self._shows[partition] = await self.instance.make_show(200, partition=partition)
        await self.book(*self._shows)

    async def owned_by(self, worker: str) -> list[int]:
        pid = self.instance.pid(worker)
        rows = await self._database.fetch(OWNERS)
        return [partition for partition, owner in rows if owner.endswith(f":{pid}")]

    async def standby_ready(self) -> None:
        """Waits, on the embedded log, until both workers read or wait to; a restarted one may still be starting."""

        async def both_connected() -> bool:
            return bool(await self._database.fetchval(READERS) == 2)

        await eventually(both_connected, "there is no standby worker")

    async def book(self, *partitions: int) -> float:
        """Books a seat on each of these partitions at the same time; returns the time of the slowest in seconds."""
        self._seats += 1
        began = time.monotonic()
        answers = await asyncio.gather(
            *(
                self._customer.post(
                    f"/api/shows/{self._shows[partition]}/bookings",
                    json={"seats": [str(self._seats)]},
                    headers={"Prefer": "wait=15"},
                )
                for partition in partitions
            )
        )
        assert {answer.status_code for answer in answers} <= {201}, [answer.text for answer in answers]
        return time.monotonic() - began


@asynccontextmanager
async def watched(instance: ChaosInstance, user_id: int) -> AsyncIterator[Watch]:
    database = await asyncpg.connect(instance.database_url)
    try:
        async with instance.client(user_id) as customer:
            watch = Watch(instance, customer, database)
            await watch.prepare()
            yield watch
    finally:
        await database.close()


@pytest.mark.kafka
async def test_another_worker_takes_over_the_partitions_of_a_killed_one(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with watched(kafka_instance, first_user) as watch:
        victim, other = await _both_at_work(watch)
        mine = await watch.owned_by(victim)
        kafka_instance.hit("supervisor", signal.SIGSTOP)  # otherwise it would restart the victim at once
        try:
            kafka_instance.hit(victim, signal.SIGKILL)
            took_s = await watch.book(*mine)
            assert len(await watch.owned_by(other)) == watch.partitions
        finally:
            kafka_instance.hit("supervisor", signal.SIGCONT)
        record_property("taken_over_s", round(took_s, 2))
        assert took_s < TAKEN_OVER_S


@pytest.mark.kafka
async def test_a_restarted_worker_regains_its_partitions_without_blocking_others(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with watched(kafka_instance, first_user) as watch:
        victim, other = await _both_at_work(watch)
        mine, others = await watch.owned_by(victim), await watch.owned_by(other)
        old = kafka_instance.hit(victim, signal.SIGKILL)
        booking = asyncio.create_task(watch.book(*mine))
        slowest_s, meanwhile = 0.0, 0
        while not booking.done():
            slowest_s = max(slowest_s, await watch.book(*others))
            meanwhile += not booking.done()
        record_property("back_s", round(await booking, 2))
        record_property("others_waited_s", round(slowest_s, 2))
        assert await booking < TAKEN_OVER_S
        assert meanwhile > 3
        await kafka_instance.replaced(victim, old)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_with_the_embedded_log_the_standby_worker_takes_over(
    postgres_instance: ChaosInstance, first_user: int, record_property: Record, how: signal.Signals
) -> None:
    async with watched(postgres_instance, first_user) as watch:
        await watch.standby_ready()
        first, second = postgres_instance.workers
        active, standby = (first, second) if await watch.owned_by(first) else (second, first)
        assert len(await watch.owned_by(active)) == watch.partitions
        postgres_instance.hit("supervisor", signal.SIGSTOP)
        try:
            postgres_instance.hit(active, how)
            took_s = await watch.book(*range(watch.partitions))
            assert len(await watch.owned_by(standby)) == watch.partitions
        finally:
            postgres_instance.hit(active, signal.SIGCONT)
            postgres_instance.hit("supervisor", signal.SIGCONT)
        record_property("taken_over_s", round(took_s, 2))
        assert took_s < TAKEN_OVER_S


async def _both_at_work(watch: Watch) -> tuple[str, str]:
    """Waits until both workers have partitions; returns their names."""
    first, second = watch.instance.workers

    async def at_work() -> bool:
        return bool(await watch.owned_by(first) and await watch.owned_by(second))

    await eventually(at_work, "not both workers have partitions")
    return first, second
