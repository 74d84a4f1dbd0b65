"""Successors in a consumer group: members with the instance name of one that has closed without leaving."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from runtime.log import Reader
from runtime.log.kafka import KafkaLog
from schemas.wire import COMMANDS_TOPIC
from tests.integration.log_places import Follower

GROUP = "workers"

pytestmark = pytest.mark.kafka


class Members:
    """Members of one group on a topic of four partitions, each polled all the time."""

    def __init__(self, bootstrap: str, stack: AsyncExitStack) -> None:
        self._bootstrap = bootstrap
        self._prefix = f"{uuid.uuid4().hex}."
        self._stack = stack
        self._polling: dict[Reader, asyncio.Task[None]] = {}

    def log(self, instance: str) -> KafkaLog:
        log = KafkaLog(self._bootstrap, prefix=self._prefix, instance=instance)
        self._stack.push_async_callback(log.close)
        return log

    def join(self, instance: str, follower: Follower) -> Reader:
        reader = self.log(instance).reader(COMMANDS_TOPIC, GROUP, follower)
        self._polling[reader] = asyncio.create_task(self._poll(reader))
        return reader

    async def close(self, reader: Reader, *, leave: bool) -> None:
        task = self._polling.pop(reader)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reader.close(leave=leave)

    async def close_all(self) -> None:
        for reader in tuple(self._polling):
            await self.close(reader, leave=True)

    async def _poll(self, reader: Reader) -> None:
        await reader.prepare()
        while True:
            await reader.poll(max_records=10, wait_s=0.1)


@asynccontextmanager
async def group_of_two(bootstrap: str) -> AsyncIterator[tuple[Members, list[Follower], list[Reader]]]:
    async with AsyncExitStack() as stack:
        members, followers = Members(bootstrap, stack), [Follower(), Follower()]
        await members.log("admin").create(4)
        readers = [members.join(f"worker-{n}", follower) for n, follower in enumerate(followers)]
        stack.push_async_callback(members.close_all)
        await until(lambda: [len(follower.held) for follower in followers] == [2, 2])
        yield members, followers, readers


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("leader", [True, False])
async def test_a_successor_gets_the_same_partitions_and_no_other_member_notices(
    kafka_bootstrap: str, leader: bool
) -> None:
    async with group_of_two(kafka_bootstrap) as (members, followers, readers):
        replaced = 0 if leader else 1
        held, other = set(followers[replaced].held), followers[1 - replaced]
        before = list(other.notices)
        await members.close(readers[replaced], leave=False)
        successor = Follower()
        members.join(f"worker-{replaced}", successor)
        await until(lambda: successor.held == held)
        await asyncio.sleep(0.5)  # several heartbeats, by which the other one would learn of a rebalance
        assert other.notices == before

        # The group of which a successor is the leader still notices partitions that are added.
        await members.log("admin").add_partitions(6)
        await until(lambda: successor.held | other.held == set(range(6)))


async def test_partitions_stay_with_their_members_when_another_joins_and_leaves(kafka_bootstrap: str) -> None:
    async with group_of_two(kafka_bootstrap) as (members, followers, _):
        before = [set(follower.held) for follower in followers]
        third = Follower()
        joined = members.join("worker-2", third)
        await until(lambda: len(third.held) == 1 and sum(len(one.held) for one in followers) == 3)
        assert all(follower.held <= held for follower, held in zip(followers, before, strict=True))
        await members.close(joined, leave=True)
        await until(lambda: sum(len(one.held) for one in followers) == 4)
        assert [follower.held for follower in followers] == before
