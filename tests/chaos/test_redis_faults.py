"""Redis drops its subscribers: no change of seats is lost, and replies that are lost are looked up."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import redis.asyncio

from schemas.wire import SEATS_CHANNEL, ShowSeatChanges, encode
from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.integration.live_sockets import Replay, live

SOCKETS = 6
CUSTOMERS = 4
STOPPED_S = 3.0
KILLS = 30
LIMIT = "pubsub 64kb 64kb 1"
NO_SHOW = 2**31 - 1
Record = Callable[[str, object], None]


class Sales:
    """Customers who book one seat after another of a show, and sockets that follow its seats."""

    def __init__(self, instance: ChaosInstance, show_id: int, first_user: int) -> None:
        self.path = f"/api/shows/{show_id}"
        self.booked = 0
        self.slowest_s = 0.0
        self._instance = instance
        self._first_user = first_user
        self._seats = itertools.count(1)
        self._stop = False
        self.replays: list[Replay] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sells meanwhile; afterwards asserts that every socket has every seat, in the order of versions."""
        async with AsyncExitStack() as stack:
            for _ in range(SOCKETS):
                socket = await stack.enter_async_context(live(self._instance, f"{self.path}/live"))
                self.replays.append(Replay(socket))
            customers = [asyncio.create_task(self._book(self._first_user + n)) for n in range(CUSTOMERS)]
            try:
                yield
            finally:
                self._stop = True
                await asyncio.gather(*customers)
            async with self._instance.client(self._first_user) as client:
                shown = (await client.get(f"{self.path}/seats")).json()
            assert shown["states"].count("s") == self.booked
            for replay in self.replays:
                await replay.until(shown["version"], shown["states"])

    async def _book(self, user_id: int) -> None:
        async with self._instance.client(user_id) as client:
            while not self._stop:
                began_s = time.monotonic()
                answer = await client.post(f"{self.path}/bookings", json={"seats": [str(next(self._seats))]})
                assert answer.status_code == 201, answer.text
                self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
                self.booked += 1
                await asyncio.sleep(0.01)


@pytest.fixture
async def server(postgres_instance: ChaosInstance) -> AsyncIterator[redis.asyncio.Redis]:
    """Yields a client of the instance's Redis."""
    async with redis.asyncio.Redis.from_url(postgres_instance.redis_url) as client:
        yield client


async def test_a_gateway_that_redis_has_dropped_while_it_was_stopped_catches_up(
    postgres_instance: ChaosInstance, first_user: int, server: redis.asyncio.Redis, record_property: Record
) -> None:
    instance = postgres_instance
    sales = Sales(instance, await instance.make_show(2_000), first_user)
    before = (await server.config_get("client-output-buffer-limit"))["client-output-buffer-limit"]
    await server.config_set("client-output-buffer-limit", LIMIT)
    try:
        async with sales.running():
            await asyncio.sleep(1)
            subscribers = await _subscribers(server)
            instance.hit(instance.gateways[0], signal.SIGSTOP)
            try:
                stopped_until = time.monotonic() + STOPPED_S
                while time.monotonic() < stopped_until:
                    await server.publish(SEATS_CHANNEL, _filler())
                    await asyncio.sleep(0.02)
                dropped = subscribers - await _subscribers(server)
            finally:
                instance.hit(instance.gateways[0], signal.SIGCONT)
            assert dropped, "Redis has not dropped the stopped gateway"
            booked = sales.booked
            await eventually(lambda: _more(sales, booked + 20), "no more bookings")
    finally:
        instance.hit(instance.gateways[0], signal.SIGCONT)
        await server.config_set("client-output-buffer-limit", str(before))
    record_property("slowest_s", round(sales.slowest_s, 2))


async def test_subscribers_that_are_killed_in_a_loop_lose_nothing(
    postgres_instance: ChaosInstance, first_user: int, server: redis.asyncio.Redis, record_property: Record
) -> None:
    instance = postgres_instance
    sales = Sales(instance, await instance.make_show(2_000), first_user)
    killed = 0
    async with sales.running():
        for _ in range(KILLS):
            killed += await server.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.1)
    assert killed >= 2 * len(instance.gateways), "each gateway came back and was dropped again"
    assert sales.booked >= CUSTOMERS
    record_property("slowest_s", round(sales.slowest_s, 2))


def _filler() -> bytes:
    """A message of 5 kB about a show that does not exist."""
    return encode([ShowSeatChanges(NO_SHOW, 0, 1, {str(seat): "s" for seat in range(500)})])


async def _subscribers(server: redis.asyncio.Redis) -> set[str]:
    return {client["id"] for client in await server.client_list(_type="pubsub")}


async def _more(sales: Sales, wanted: int) -> bool:
    return sales.booked >= wanted
