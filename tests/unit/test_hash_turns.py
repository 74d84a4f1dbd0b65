"""One address leaves room for others in the queue of password hashes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.accounts.hash_turns import MAX_QUEUED, MAX_WAITING, HashTurns
from gateway.http.problems import Problem


class Crowd:
    """Requests that are inside until they are released."""

    def __init__(self) -> None:
        self.turns = HashTurns()
        self.inside: list[str] = []
        self.release = asyncio.Event()

    async def request(self, address: str) -> None:
        async with self.turns.of(address):
            self.inside.append(address)
            await self.release.wait()


async def test_an_address_waits_for_its_own_requests_only() -> None:
    crowd = Crowd()
    async with asyncio.TaskGroup() as group:
        for _ in range(MAX_QUEUED + MAX_WAITING):
            group.create_task(crowd.request("198.51.100.1"))
        await asyncio.sleep(0)
        assert len(crowd.inside) == MAX_QUEUED
        group.create_task(crowd.request("198.51.100.2"))
        await asyncio.sleep(0)
        assert crowd.inside[MAX_QUEUED:] == ["198.51.100.2"]
        with pytest.raises(Problem) as rejected:
            await crowd.request("198.51.100.1")
        assert (rejected.value.code, rejected.value.retry_after_s) == ("overloaded", 3)
        crowd.release.set()
    assert len(crowd.inside) == MAX_QUEUED + MAX_WAITING + 1
    assert not crowd.turns._turns, "nothing is kept of an address without requests"


async def test_a_request_that_is_given_up_makes_room() -> None:
    crowd = Crowd()
    tasks = [asyncio.create_task(crowd.request("198.51.100.1")) for _ in range(MAX_QUEUED + 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[-1].cancel()
    await asyncio.wait([tasks[0], tasks[-1]])
    await asyncio.sleep(0.01)
    assert len(crowd.inside) == MAX_QUEUED + 1
    crowd.release.set()
    await asyncio.gather(*tasks[1:-1])
    assert not crowd.turns._turns
