"""`aisle scale` and `aisle restart` while bookings flow: every request is answered, and none twice."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running import RunningAisle

CUSTOMERS = 12
SEATS = 30_000


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[RunningAisle]:
    """Yields a running instance whose home has a path too long for a Unix socket."""
    instance = RunningAisle(tmp_path / ("long" * 30) / "home", {"AISLE_RATE_LIMITS": "off"})
    instance.home.parent.mkdir()
    await instance.start()
    yield instance
    if instance.process is not None and instance.process.poll() is None:
        instance.stop()


class Bookings:
    """Customers who book one seat after another, each with a key of its own and without repeating a request."""

    def __init__(self, instance: RunningAisle, show_id: int) -> None:
        self._instance = instance
        self._path = f"/api/shows/{show_id}/bookings"
        self._seats = itertools.count(1)
        self.statuses: Counter[object] = Counter()
        self.bookings: list[str] = []

    async def customer(self, user_id: int, stop: asyncio.Event) -> None:
        async with self._instance.client(user_id) as client:
            while not stop.is_set():
                seat = next(self._seats)
                try:
                    answer = await client.post(
                        self._path,
                        json={"seats": [str(seat)]},
                        headers={"Idempotency-Key": f"seat-{seat}", "Prefer": "wait=30"},
                    )
                except httpx.TransportError as error:
                    self.statuses[repr(error)] += 1
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code == 201:
                    self.bookings.append(answer.json()["id"])
                await asyncio.sleep(0.05)


async def aisle(instance: RunningAisle, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(instance.command, *arguments)
    return done.returncode, done.stdout, done.stderr


async def processes(instance: RunningAisle) -> dict[str, dict[str, Any]]:
    status, printed, _ = await aisle(instance, "ps", "--json")
    assert status == 0
    return {row["name"]: row for row in json.loads(printed)}


@pytest.mark.timeout(300)
async def test_processes_are_added_replaced_and_removed_while_bookings_flow(instance: RunningAisle) -> None:
    bookings, stop = Bookings(instance, await instance.make_show(SEATS)), asyncio.Event()
    customers = [asyncio.create_task(bookings.customer(1000 + n, stop)) for n in range(CUSTOMERS)]
    began = await processes(instance)

    status, printed, _ = await aisle(instance, "scale", "workers=2", "gateways=2")
    assert status == 0
    assert "seat-worker-2 stands by: with the log in PostgreSQL, one worker has all partitions." in printed
    added = await processes(instance)
    assert added.keys() - began.keys() == {"seat-worker-2", "gateway-2"}
    assert sorted(added[f"seat-worker-{n}"]["partitions"] for n in (1, 2)) == [[], list(range(8))]

    assert (await aisle(instance, "restart", "all"))[0] == 0
    replaced = await processes(instance)
    same = {name for name, row in replaced.items() if row["pid"] == added[name]["pid"]}
    assert same == {"aisle up", "postgres", "redis"}

    assert (await aisle(instance, "scale", "gateways=1", "workers=1"))[0] == 0
    assert (await processes(instance)).keys() == began.keys()
    stop.set()
    await asyncio.gather(*customers)

    assert bookings.statuses.keys() == {201}, bookings.statuses
    assert bookings.statuses[201] > 50
    assert len(set(bookings.bookings)) == bookings.statuses[201]
    status, printed, _ = await aisle(instance, "verify")
    assert status == 0, printed


async def test_wrong_usage_has_exit_status_2_and_a_home_without_a_supervisor_1(
    instance: RunningAisle,
) -> None:
    for wrong in ("workers=0", "workers=-2", "gateways=65", "notifier=2", "4"):
        status, printed, error = await aisle(instance, "scale", wrong)
        assert (status, printed, error.count("\n")) == (2, "", 1), error
    assert (await aisle(instance, "restart", "postgres"))[0] == 2
    assert (await aisle(instance, "ps"))[0] == 0
    assert instance.stop() == 0
    status, _, error = await aisle(instance, "ps")
    assert status == 1
    assert "no `aisle up` runs in this home" in error
