"""Responses while a part is unavailable, and completeness afterwards."""

from __future__ import annotations

import asyncio
import signal
import time
from uuid import uuid4

import asyncpg
import httpx
import redis.asyncio
import redis.exceptions

from runtime.log import Log
from runtime.log.opening import open_log
from schemas.wire import COMMANDS_TOPIC
from tests.chaos.chaos_instance import ChaosInstance, eventually

REDIS_AWAY_S = 4.0
POSTGRES_AWAY_S = 6.5
"""Longer than the maximum time of a worker to release its partitions."""


async def test_without_redis_bookings_are_slower_and_correct(
    instance: ChaosInstance, first_user: int
) -> None:
    show_id = await instance.make_show(200)
    path = f"/api/shows/{show_id}/bookings"
    async with instance.client(first_user) as customer:
        instance.hit("redis", signal.SIGSTOP)
        try:
            away_until, seat = time.monotonic() + REDIS_AWAY_S, 0
            while time.monotonic() < away_until:
                seat += 1
                answer = await customer.post(path, json={"seats": [str(seat)]})
                assert answer.status_code == 201, answer.text
        finally:
            instance.hit("redis", signal.SIGCONT)
        old = instance.hit("redis", signal.SIGKILL)
        await instance.replaced("redis", old)
        async with redis.asyncio.Redis.from_url(instance.redis_url) as client:
            await eventually(lambda: _answers(client), "the new Redis does not answer")
            assert await client.dbsize() == 0
        answer = await customer.post(path, json={"seats": [str(seat), str(seat + 1)]})
        assert (answer.status_code, answer.json()["seats"]) == (409, [str(seat)])
        states = (await customer.get(f"/api/shows/{show_id}/seats")).json()["states"]
        assert states == "s" * seat + "a" * (200 - seat)


async def test_a_gateway_killed_between_append_and_reply_does_not_lose_the_booking(
    instance: ChaosInstance, first_user: int
) -> None:
    show_id = await instance.make_show(10)
    path, key = f"/api/shows/{show_id}/bookings", {"Idempotency-Key": uuid4().hex}
    gateways = {name: instance.pid(name) for name in instance.gateways}
    log = await open_log(instance.kafka, instance.database_url)
    async with instance.client(first_user) as customer:
        for worker in instance.workers:
            instance.hit(worker, signal.SIGSTOP)
        try:
            before = await _end(log)
            request = asyncio.create_task(customer.post(path, json={"seats": ["1"]}, headers=key))
            await eventually(lambda: _grown(log, before), "nothing was appended")
            for name in gateways:
                instance.hit(name, signal.SIGKILL)
            (answer,) = await asyncio.gather(request, return_exceptions=True)
            assert isinstance(answer, httpx.TransportError)
        finally:
            for worker in instance.workers:
                instance.hit(worker, signal.SIGCONT)
        await log.close()
        for name, old in gateways.items():
            await instance.replaced(name, old)
        again = await customer.post(path, json={"seats": ["1"]}, headers=key | {"Prefer": "wait=20"})
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        found = await customer.get(again.headers["location"])
        assert found.json() == again.json()


async def test_while_postgres_restarts_responses_are_late_or_have_retry_after(
    instance: ChaosInstance, first_user: int
) -> None:
    show_id = await instance.make_show(200)
    path = f"/api/shows/{show_id}/bookings"
    seen: dict[int, httpx.Response] = {}

    async def book(client: httpx.AsyncClient, seat: int) -> None:
        key = {"Idempotency-Key": f"{show_id}-{seat}"}
        while seat not in seen or seen[seat].status_code != 201:
            seen[seat] = await client.post(path, json={"seats": [str(seat)]}, headers=key)
            assert seen[seat].status_code in (201, 202, 503), seen[seat].text
            if seen[seat].status_code != 201:
                assert "retry-after" in seen[seat].headers
                await asyncio.sleep(0.1)

    async with instance.client(first_user) as client:
        for how in (signal.SIGINT, signal.SIGKILL):
            first = 1 + len(seen)
            bookings = [asyncio.create_task(book(client, seat)) for seat in range(first, first + 40)]
            old = instance.hit("postgres", how)
            await asyncio.wait_for(asyncio.gather(*bookings), 30)
            await instance.replaced("postgres", old)
        states = (await client.get(f"/api/shows/{show_id}/seats")).json()["states"]
        assert states == "s" * len(seen) + "a" * (200 - len(seen))


async def test_a_batch_in_flight_when_postgres_is_killed_is_decided_after_its_restart(
    postgres_instance: ChaosInstance, first_user: int
) -> None:
    instance = postgres_instance
    show_id = await instance.make_show(10)
    blocker = await asyncpg.connect(instance.database_url)
    owner = int((await blocker.fetchval("SELECT owner FROM partitions LIMIT 1")).rpartition(":")[2])
    (standby,) = (worker for worker in instance.workers if instance.pid(worker) != owner)
    async with instance.client(first_user) as customer:
        # The commit waits for rows that the test has locked, so the server ends in the middle of it.
        await blocker.execute("BEGIN")
        await blocker.execute("SELECT FROM partitions FOR UPDATE")
        path, key = f"/api/shows/{show_id}/bookings", {"Idempotency-Key": uuid4().hex}
        pending = await customer.post(path, json={"seats": ["1"]}, headers=key | {"Prefer": "wait=1"})
        assert pending.status_code == 202
        instance.hit("supervisor", signal.SIGSTOP)
        instance.hit(standby, signal.SIGSTOP)  # the batch must return to the same worker
        try:
            old = instance.hit("postgres", signal.SIGKILL)
            await asyncio.sleep(POSTGRES_AWAY_S)
            rejected = await customer.post(path, json={"seats": ["2"]})
            # Which of the two depends on the gateway's cache of the show's partition.
            assert rejected.status_code == 503
            assert rejected.json()["code"] in ("log_unavailable", "database_unavailable")
            assert rejected.headers["retry-after"]
        finally:
            instance.hit("supervisor", signal.SIGCONT)
            blocker.terminate()
        await instance.replaced("postgres", old)
        await instance.wait_until_ready()
        status = await customer.get(pending.headers["location"], headers={"Prefer": "wait=20"})
        instance.hit(standby, signal.SIGCONT)
        assert status.json()["status"] == "accepted", status.text
        found = await customer.get(f"/api/bookings/{status.json()['booking']['id']}")
        assert found.json() == status.json()["booking"]
    verified = await asyncio.to_thread(instance.command, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def _answers(client: redis.asyncio.Redis) -> bool:
    """Returns True once it listens, which a new process does not do at once."""
    try:
        return bool(await client.ping())
    except redis.exceptions.ConnectionError:
        return False


async def _grown(log: Log, before: int) -> bool:
    return await _end(log) > before


async def _end(log: Log) -> int:
    return sum(end for _, end in (await log.bounds(COMMANDS_TOPIC)).values())
