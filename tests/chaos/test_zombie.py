"""A worker that is frozen while its partitions are reassigned is fenced when it continues."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
import pytest
import redis.asyncio

from schemas.ids import Position
from schemas.wire import decode_replies
from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.chaos.checks import violations
from tests.chaos.clients import Clients
from tests.chaos.crowds import EVERYTHING
from tests.chaos.history import History
from tests.chaos.read_state import read_stored
from tests.chaos.show_plans import numbered
from tests.chaos.storm import open_shows

pytestmark = pytest.mark.kafka

TAKEN_OVER_S = 15.0
FREEZES = 2

OWNERS = "SELECT partition, owner FROM partitions ORDER BY partition"
LINGERING = """
    SELECT a.application_name, a.state, a.query, now() - a.xact_start AS age
      FROM pg_stat_activity a
     WHERE a.application_name LIKE 'seat worker%' AND a.state LIKE 'idle in transaction%'
       AND a.xact_start < now() - interval '1 s'"""
WAITING = """
    SELECT FROM pg_stat_activity
     WHERE application_name LIKE 'seat worker%' AND wait_event_type = 'Lock' AND query LIKE $1"""
STATEMENTS = {"commit": "commit_batch", "take": "INSERT INTO partitions"}
DECISIONS = "SELECT partition, log_offset, answer FROM decisions"


async def test_a_worker_frozen_during_a_reassignment_is_fenced(
    kafka_instance: ChaosInstance, first_user: int
) -> None:
    instance, history = kafka_instance, History()
    history.shows = await open_shows(instance, [numbered(400)] * 4)
    crowd = msgspec.structs.replace(EVERYTHING, customers=9, staff=3)
    clients = Clients(instance.client, first_user, crowd, history, seed=first_user)
    stop = asyncio.Event()
    database = await asyncpg.connect(instance.database_url)
    try:
        async with _published_replies(instance) as replies:
            living = asyncio.create_task(clients.live(stop))
            for _ in range(FREEZES):
                await _all_at_work(instance, database)
                await asyncio.sleep(1)
                await _freeze_during_a_reassignment(instance, database)
            await _all_at_work(instance, database)
            await asyncio.sleep(1)
            stop.set()
            await living
            await clients.settle()
        stored = {
            Position(partition, offset): answer
            for partition, offset, answer in await database.fetch(DECISIONS)
        }
        wrong = violations(history, await read_stored(instance, history))
    finally:
        stop.set()
        await clients.leave()
        await database.close()
    assert len(replies) > 100
    assert [position for position, decision in replies if stored.get(position) != decision] == []
    assert wrong == []
    assert instance.command("verify").returncode == 0


@pytest.mark.parametrize("doing", ["commit", "take"])
async def test_a_worker_frozen_during_a_statement_holds_no_lock_after_it(
    kafka_instance: ChaosInstance, first_user: int, doing: str
) -> None:
    instance = kafka_instance
    show_id = await instance.make_show(10)
    database, blocker = [await asyncpg.connect(instance.database_url) for _ in range(2)]
    try:
        async with instance.client(first_user) as customer:
            await _all_at_work(instance, database)
            partition = await database.fetchval("SELECT partition FROM shows WHERE show_id = $1", show_id)
            owner = (await _owners(database))[partition]
            worker = next(name for name in instance.workers if instance.pid(name) == owner)
            # The statement waits for a row that the test has locked, so the worker is frozen when it continues.
            holding = blocker.transaction()
            await holding.start()
            await blocker.execute("SELECT FROM partitions WHERE partition = $1 FOR UPDATE", partition)
            booking = asyncio.create_task(
                customer.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
            )
            if doing == "take":
                instance.hit(worker, signal.SIGKILL)
                await instance.replaced(worker, owner)
            await eventually(
                lambda: _blocked(database, STATEMENTS[doing]), "no statement waits for the locked row"
            )
            instance.hit(worker, signal.SIGSTOP)
            await holding.rollback()
            await asyncio.sleep(1.5)
            assert await database.fetch(LINGERING) == []
            await blocker.execute("SET lock_timeout = '500ms'; UPDATE partitions SET owner = owner")
            answer = await booking
            assert answer.status_code == 201, answer.text

            async def moved() -> bool:
                return instance.pid(worker) not in (await _owners(database)).values()

            await eventually(moved, "it still owns partitions", TAKEN_OVER_S)
            instance.hit(worker, signal.SIGCONT)
            again = await customer.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
            assert (again.status_code, again.json()["code"]) == (409, "seat_taken")
    finally:
        for name in instance.workers:
            instance.hit(name, signal.SIGCONT)
        await blocker.close()
        await database.close()
    assert instance.command("verify").returncode == 0


async def _freeze_during_a_reassignment(instance: ChaosInstance, database: asyncpg.Connection) -> None:
    """Freezes a worker until others own all its partitions; meanwhile it holds no lock in PostgreSQL."""
    victim = instance.workers[0]
    pid = instance.hit(victim, signal.SIGSTOP)
    try:
        began = asyncio.get_running_loop().time()
        while pid in (owners := await _owners(database)).values():
            frozen_s = asyncio.get_running_loop().time() - began
            assert frozen_s < TAKEN_OVER_S, f"{victim} is frozen, and still owns {owners}"
            assert await database.fetch(LINGERING) == []
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert await database.fetch(LINGERING) == []
    finally:
        instance.hit(victim, signal.SIGCONT)


async def _all_at_work(instance: ChaosInstance, database: asyncpg.Connection) -> None:
    async def at_work() -> bool:
        return set((await _owners(database)).values()) == {
            instance.pid(worker) for worker in instance.workers
        }

    await eventually(at_work, "not every worker has partitions")


async def _blocked(database: asyncpg.Connection, statement: str) -> bool:
    """Returns True when a statement of a worker waits for a lock."""
    return bool(await database.fetch(WAITING, f"%{statement}%"))


async def _owners(database: asyncpg.Connection) -> dict[int, int]:
    """Returns partition → process id of its worker."""
    return {partition: int(owner.rpartition(":")[2]) for partition, owner in await database.fetch(OWNERS)}


@asynccontextmanager
async def _published_replies(instance: ChaosInstance) -> AsyncIterator[list[tuple[Position, bytes]]]:
    """Yields a list that grows by every reply that workers publish: position and decision."""
    replies: list[tuple[Position, bytes]] = []
    client = redis.asyncio.Redis.from_url(instance.redis_url)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    await pubsub.psubscribe("aisle.replies.*")

    async def listen() -> None:
        async for message in pubsub.listen():
            replies.extend(
                (reply.position, bytes(reply.decision)) for reply in decode_replies(message["data"])
            )

    listening = asyncio.create_task(listen())
    try:
        yield replies
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
