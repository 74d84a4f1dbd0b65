"""One address leaves room for others in the queue of password hashes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.accounts.hash_turns import MAX_QUEUED, MAX_WAITING, HashTurns
from gateway.http.problems import Problem


class Requests:
    """Requests that keep their turn until `release` is set."""

    def __init__(self) -> None:
        self.turns = HashTurns()
        self.inside: list[str] = []
        self.release = asyncio.Event()

    async def request(self, address: str) -> None:
        async with self.turns.turn(address):
            self.inside.append(address)
            await self.release.wait()


async def test_an_address_waits_for_its_own_requests_only() -> None:
    requests = Requests()
    async with asyncio.TaskGroup() as group:
        for _ in range(MAX_QUEUED + MAX_WAITING):
            group.create_task(requests.request("198.51.100.1"))
        await asyncio.sleep(0)
        assert len(requests.inside) == MAX_QUEUED
        group.create_task(requests.request("198.51.100.2"))
        await asyncio.sleep(0)
        assert requests.inside[MAX_QUEUED:] == ["198.51.100.2"]
        with pytest.raises(Problem) as rejected:
            await requests.request("198.51.100.1")
        assert (rejected.value.code, rejected.value.retry_after_s) == ("overloaded", 3)
        requests.release.set()
    assert len(requests.inside) == MAX_QUEUED + MAX_WAITING + 1
    assert not requests.turns._turns, "nothing is kept of an address without requests"


async def test_a_cancelled_request_frees_its_place() -> None:
    requests = Requests()
    tasks = [asyncio.create_task(requests.request("198.51.100.1")) for _ in range(MAX_QUEUED + 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[-1].cancel()
    await asyncio.wait([tasks[0], tasks[-1]])
    await asyncio.sleep(0.01)
    assert len(requests.inside) == MAX_QUEUED + 1
    requests.release.set()
    await asyncio.gather(*tasks[1:-1])
    assert not requests.turns._turns
