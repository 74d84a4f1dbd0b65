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
PARTITION = "SELECT partition FROM shows WHERE show_id = $1"
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
        self._seats = 0

    async def look(self) -> None:
        """Makes shows until every partition has one, and waits until every worker is at work or by."""
        while len(self._shows) < 4:
            show_id = await self.instance.make_show(200)
            self._shows[await self._database.fetchval(PARTITION, show_id)] = show_id
        await self.book(*self._shows)

    async def owned_by(self, worker: str) -> list[int]:
        pid = self.instance.pid(worker)
        rows = await self._database.fetch(OWNERS)
        return [partition for partition, owner in rows if int(owner.rpartition(":")[2]) == pid]

    async def one_stands_by(self) -> None:
        """On the embedded log: until both workers read or wait to; one that was killed may be starting still."""

        async def both_are_there() -> bool:
            return bool(await self._database.fetchval(READERS) == 2)

        await eventually(both_are_there, "no worker stands by")

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
            await watch.look()
            yield watch
    finally:
        await database.close()


@pytest.mark.kafka
async def test_another_worker_takes_the_partitions_of_a_dead_one(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with watched(kafka_instance, first_user) as watch:
        dead, other = await _both_at_work(watch)
        mine = await watch.owned_by(dead)
        kafka_instance.hit("supervisor", signal.SIGSTOP)  # otherwise it would restart the dead one at once
        try:
            kafka_instance.hit(dead, signal.SIGKILL)
            took_s = await watch.book(*mine)
            assert len(await watch.owned_by(other)) == 4
        finally:
            kafka_instance.hit("supervisor", signal.SIGCONT)
        record_property("taken_over_s", round(took_s, 2))
        assert took_s < TAKEN_OVER_S


@pytest.mark.kafka
async def test_a_restarted_worker_regains_its_partitions_without_blocking_others(
    kafka_instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with watched(kafka_instance, first_user) as watch:
        dead, other = await _both_at_work(watch)
        mine, others = await watch.owned_by(dead), await watch.owned_by(other)
        old = kafka_instance.hit(dead, signal.SIGKILL)
        hers = asyncio.create_task(watch.book(*mine))
        slowest_s, meanwhile = 0.0, 0
        while not hers.done():
            slowest_s = max(slowest_s, await watch.book(*others))
            meanwhile += not hers.done()
        record_property("back_s", round(await hers, 2))
        record_property("others_waited_s", round(slowest_s, 2))
        assert await hers < TAKEN_OVER_S
        assert meanwhile > 3
        await kafka_instance.replaced(dead, old)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_on_the_embedded_log_the_worker_that_stands_by_takes_over(
    postgres_instance: ChaosInstance, first_user: int, record_property: Record, how: signal.Signals
) -> None:
    async with watched(postgres_instance, first_user) as watch:
        await watch.one_stands_by()
        first, second = postgres_instance.workers
        at_work, stands_by = (first, second) if await watch.owned_by(first) else (second, first)
        assert len(await watch.owned_by(at_work)) == 4
        postgres_instance.hit("supervisor", signal.SIGSTOP)
        try:
            postgres_instance.hit(at_work, how)
            took_s = await watch.book(0, 1, 2, 3)
            assert len(await watch.owned_by(stands_by)) == 4
        finally:
            postgres_instance.hit(at_work, signal.SIGCONT)
            postgres_instance.hit("supervisor", signal.SIGCONT)
        record_property("taken_over_s", round(took_s, 2))
        assert took_s < TAKEN_OVER_S


async def _both_at_work(watch: Watch) -> tuple[str, str]:
    """Waits until both workers have partitions; their names."""
    first, second = watch.instance.workers

    async def at_work() -> bool:
        return bool(await watch.owned_by(first) and await watch.owned_by(second))

    await eventually(at_work, "not both workers have partitions")
    return first, second
