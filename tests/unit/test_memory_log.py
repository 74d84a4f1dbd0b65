"""The log in memory: its clock and fault injection for simulations."""

from __future__ import annotations

import asyncio

import pytest

from runtime.log import LogUnavailable
from runtime.log.in_memory import MemoryLog
from schemas.wire import COMMANDS_TOPIC
from tests.integration.log_places import Follower


@pytest.fixture
async def log() -> MemoryLog:
    log = MemoryLog(lambda: 1_000)
    await log.create(2)
    return log


async def test_timestamps_follow_the_clock_and_never_decrease() -> None:
    times = iter([500, 700, 600, 800])
    log = MemoryLog(lambda: next(times))
    await log.create(1)
    for n in range(4):
        log.put(COMMANDS_TOPIC, 0, b"%d" % n)
    assert [record.at_ms for record in await log.read(COMMANDS_TOPIC, 0, 0, 9)] == [500, 700, 700, 800]


async def test_an_append_with_a_lost_response_has_succeeded(log: MemoryLog) -> None:
    log.responses_lost = True
    with pytest.raises(LogUnavailable) as error:
        await log.appender(COMMANDS_TOPIC).append(0, b"taken")
    assert error.value.outcome_unknown
    assert [record.body for record in await log.read(COMMANDS_TOPIC, 0, 0, 9)] == [b"taken"]


async def test_appends_and_polls_fail_during_an_outage(log: MemoryLog) -> None:
    log.put(COMMANDS_TOPIC, 0, b"before")
    reader = log.reader(COMMANDS_TOPIC, "readers", Follower())
    log.outage = LogUnavailable("gone")
    with pytest.raises(LogUnavailable):
        await log.appender(COMMANDS_TOPIC).append(0, b"during")
    with pytest.raises(LogUnavailable):
        await reader.poll(max_records=9, wait_s=0)
    log.outage = None
    given = await reader.poll(max_records=9, wait_s=0)
    assert [record.body for record in given[0]] == [b"before"]


async def test_partitions_of_a_vanished_reader_are_reassigned_without_notice(log: MemoryLog) -> None:
    gone, left = Follower(), Follower()
    readers = [log.reader(COMMANDS_TOPIC, "readers", member) for member in (gone, left)]
    for _ in range(2):
        await asyncio.gather(*[reader.poll(max_records=9, wait_s=0.01) for reader in readers])
    assert (gone.held, left.held) == ({0}, {1})
    readers[0].vanish()
    await readers[1].poll(max_records=9, wait_s=0)
    assert left.held == {0, 1}
    assert ("revoked", [0]) not in gone.notices
