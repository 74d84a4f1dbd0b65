"""Partitions that are added to a log while it is used, on every adapter: memory, PostgreSQL and Kafka."""

from __future__ import annotations

import pytest

from runtime.log import Log, WrongLog
from schemas.wire import EVENTS_TOPIC
from tests.integration.log_places import GROUP, PARTITIONS, TOPIC, Follower, Place, every_log, read_until


@every_log
async def test_added_partitions_reach_running_appenders_and_readers(place: Place, log: Log) -> None:
    other = place.open()
    appender, events, follower = log.appender(TOPIC), log.appender(EVENTS_TOPIC), Follower()
    reader = log.reader(TOPIC, GROUP, follower)
    await appender.append(0, b"before")
    found = await read_until(reader, lambda records: len(records) == 1)
    assert set(await log.bounds(TOPIC)) == follower.held == set(range(PARTITIONS))
    follower.offsets[0] = 1
    identity = await log.identity()
    await other.add_partitions(PARTITIONS + 2)
    await other.add_partitions(PARTITIONS + 2)
    added = [PARTITIONS, PARTITIONS + 1]
    assert [await appender.append(partition, b"%d" % partition) for partition in added] == [0, 0]
    assert [await events.append(partition, b"%d" % partition) for partition in added] == [0, 0]
    found = await read_until(reader, lambda records: len(records) == 2, within_s=10)
    assert sorted((record.partition, record.offset) for record in found) == [(p, 0) for p in added]
    assert follower.held == set(range(PARTITIONS + 2))
    for topic in (TOPIC, EVENTS_TOPIC):
        assert (await log.bounds(topic))[PARTITIONS + 1] == (0, 1)
        assert [record.body for record in await log.read(topic, added[0], 0, 5)] == [b"%d" % added[0]]
    assert await log.identity() == identity
    with pytest.raises(WrongLog, match=f"no partition {PARTITIONS + 2}"):
        await appender.append(PARTITIONS + 2, b"nowhere")
    assert await appender.append(0, b"after") == 1
    for closing in (reader, appender, events, other):
        await closing.close()


@every_log
async def test_fewer_partitions_than_there_are_change_nothing(log: Log) -> None:
    await log.add_partitions(PARTITIONS - 1)
    assert len(await log.bounds(TOPIC)) == len(await log.bounds(EVENTS_TOPIC)) == PARTITIONS
