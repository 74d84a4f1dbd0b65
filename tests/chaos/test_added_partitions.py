"""Partitions are added to a running instance while clients book: no request fails, and all of it is used."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from ops.partitions.state import PartitionState
from tests.chaos.chaos_instance import ChaosInstance, eventually

PLACES = "SELECT show_id, partition FROM shows WHERE show_id = ANY ($1)"
SENT = "SELECT count(*) FROM deliveries WHERE booking_id = $1"


Record = Callable[[str, object], None]


@asynccontextmanager
async def database_of(instance: ChaosInstance) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(instance.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_partitions_are_added_while_clients_book(
    instance: ChaosInstance, first_user: int, record_property: Record
) -> None:
    async with database_of(instance) as database:
        await _add_while_booking(instance, first_user, record_property, database)


async def _add_while_booking(
    instance: ChaosInstance, first_user: int, record_property: Record, database: asyncpg.Connection
) -> None:
    before = await database.fetchval("SELECT count(*) FROM partitions")
    shows = [await instance.make_show(5_000) for _ in range(before)]
    answers: Counter[int] = Counter()
    stop = asyncio.Event()
    slowest_s = 0.0

    async def book(n: int) -> None:
        nonlocal slowest_s
        clock = asyncio.get_running_loop().time
        async with instance.client(first_user + n) as customer:
            for seat in range(n, 5_000, 6):
                if stop.is_set():
                    return
                began_s = clock()
                answer = await customer.post(
                    f"/api/shows/{shows[seat % before]}/bookings", json={"seats": [str(1 + seat)]}
                )
                answers[answer.status_code] += 1
                slowest_s = max(slowest_s, clock() - began_s)

    booking = [asyncio.create_task(book(n)) for n in range(6)]
    async with instance.client(first_user + 10) as customer:
        await asyncio.sleep(1)
        began_s = asyncio.get_running_loop().time()
        added = await asyncio.to_thread(instance.command, "partitions", "add", "2")
        assert added.stdout == f"Partitions {before} to {before + 1} are added and have a seat worker.\n"
        record_property("added_s", round(asyncio.get_running_loop().time() - began_s, 2))
        # Without a name the next shows come there, as both have the fewest seats.
        fresh = [await instance.make_show(50) for _ in range(2)]
        places = dict(await database.fetch(PLACES, fresh))
        assert set(places.values()) == {before, before + 1}
        # Each on a connection of its own, so that both gateways are asked.
        for show in fresh * 5:
            async with instance.client(first_user + 11) as another:
                assert (await another.get(f"/api/shows/{show}/seats")).status_code == 200
                booked = await another.post(f"/api/shows/{show}/bookings", json={"quantity": 1})
            assert booked.status_code == 201, booked.text
            assert booked.json()["decided"]["partition"] == places[show]
        usable_s = asyncio.get_running_loop().time() - began_s
        record_property("usable_s", round(usable_s, 2))

        async def is_sent() -> bool:
            return bool(await database.fetchval(SENT, booked.json()["id"]))

        await eventually(is_sent, "no e-mail was recorded for a booking on an added partition")
        reserved = await asyncio.to_thread(instance.command, "partitions", "reserve", str(before + 1))
        assert reserved.returncode == 0, reserved.stderr
        premiere = await instance.make_show(50, partition=before + 1)
        others = [await instance.make_show(50) for _ in range(4)]
        places = dict(await database.fetch(PLACES, [premiere, *others]))
        assert places.pop(premiere) == before + 1
        assert before + 1 not in places.values()
        booked = await customer.post(f"/api/shows/{premiere}/bookings", json={"seats": ["1"]})
        assert booked.status_code == 201
    stop.set()
    await asyncio.gather(*booking)
    record_property("booked_meanwhile", answers[201])
    record_property("slowest_s", round(slowest_s, 2))
    assert set(answers) == {201}, answers
    assert answers[201] > 50
    shown = await asyncio.to_thread(instance.command, "partitions", "--json")
    states = msgspec.json.decode(shown.stdout, type=list[PartitionState])
    assert [one.partition for one in states] == list(range(before + 2))
    assert all(one.owner is not None and one.epoch > 0 and one.lag == 0 for one in states)
    assert [one.partition for one in states if one.reserved] == [before + 1]
    released = await asyncio.to_thread(instance.command, "partitions", "release", str(before + 1))
    assert released.returncode == 0, released.stderr
    verified = await asyncio.to_thread(instance.command, "verify")
    assert verified.returncode == 0, verified.stdout
