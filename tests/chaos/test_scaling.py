"""Seat workers and gateways on Kafka that are added, replaced and removed while bookings flow."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from loadtest.scaling.instance import stored_bookings
from loadtest.scaling.load import BookingLoad, Show
from tests.chaos.chaos_instance import ChaosInstance

PARTITION = "SELECT partition FROM shows WHERE show_id = $1"
SEATS = 10_000
PER_SECOND = 80


async def aisle(instance: ChaosInstance, *arguments: str) -> str:
    done = await asyncio.to_thread(instance.command, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def partitions(instance: ChaosInstance) -> dict[str, set[int]]:
    """Seat worker → its partitions."""
    rows = json.loads(await aisle(instance, "ps", "--json"))
    return {row["name"]: set(row["partitions"]) for row in rows if row["partitions"] is not None}


async def make_shows(instance: ChaosInstance) -> list[Show]:
    """A show on every partition, and perhaps a second one."""
    database = await asyncpg.connect(instance.database_url)
    shows: list[Show] = []
    try:
        while len({show.partition for show in shows}) < 4:
            show_id = await instance.make_show(SEATS)
            shows.append(Show(show_id, await database.fetchval(PARTITION, show_id), SEATS))
    finally:
        await database.close()
    return shows


@pytest.mark.kafka
async def test_no_request_fails_while_processes_are_added_replaced_and_removed(
    kafka_instance: ChaosInstance, first_user: int
) -> None:
    instance, shows = kafka_instance, await make_shows(kafka_instance)
    tokens = [instance.token(first_user + number) for number in range(20)]
    load = BookingLoad("127.0.0.1", instance.port, shows, tokens, connections=20, per_second=PER_SECOND)
    load.start()
    try:
        two = await partitions(instance)
        await aisle(instance, "scale", "workers=4", "gateways=3")
        four = await partitions(instance)
        count = sum(map(len, two.values()))  # other tests may have added some
        assert sorted(map(len, four.values())) == [(count + more) // 4 for more in range(4)]
        assert all(four[worker] <= two[worker] for worker in two), "as few partitions move as possible"

        await aisle(instance, "restart", "all")
        assert await partitions(instance) == four, "a successor takes the partitions of its predecessor"

        await aisle(instance, "scale", "workers=2", "gateways=2")
        again = await partitions(instance)
        assert again.keys() == two.keys()
        assert all(four[worker] < again[worker] for worker in again)
    finally:
        await load.stop()
    assert load.failed == []
    assert load.requests > 100
    assert set(load.bookings.values()) == {1}
    assert await stored_bookings(instance.database_url, shows) == set(load.bookings)
