"""Contract tests of the log, run on every adapter: memory, PostgreSQL and Kafka."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from itertools import chain

import pytest

from runtime.log import MAX_BODY_BYTES, Log, LogUnavailable, Record, WrongLog
from schemas.wire import EVENTS_TOPIC
from tests.integration.log_places import (
    GROUP,
    PARTITIONS,
    TOPIC,
    Follower,
    Place,
    every_log,
    every_log_between_processes,
    read_until,
)


async def stored(log: Log, partition: int, *, topic: str = TOPIC) -> list[Record]:
    first, end = (await log.bounds(topic))[partition]
    return await log.read(topic, partition, first, end - first)


@every_log
async def test_records_of_a_partition_stand_in_the_order_of_their_appends(log: Log) -> None:
    appender = log.appender(TOPIC)
    bodies = [b"%d" % n for n in range(300)]
    one_after_the_other = [await appender.append(1, body) for body in bodies[:20]]
    at_once = await asyncio.gather(*[appender.append(1, body) for body in bodies[20:150]])
    many = await appender.append_many([(1, body) for body in bodies[150:]])
    assert one_after_the_other + at_once + many == list(range(300))
    assert [record.body for record in await stored(log, 1)] == bodies
    await appender.close()


@every_log
async def test_offsets_are_dense_with_several_appenders_at_once(place: Place, log: Log) -> None:
    logs = [place.open() for _ in range(3)]
    appenders = [each.appender(TOPIC) for each in logs]

    async def append(which: int) -> list[tuple[int, int, bytes]]:
        appended = []
        for n in range(25):
            body = f"{which}-{n}".encode()
            appended.append((n % PARTITIONS, await appenders[which % 3].append(n % PARTITIONS, body), body))
        return appended

    appended = [*chain.from_iterable(await asyncio.gather(*[append(which) for which in range(24)]))]
    held = [record for partition in range(PARTITIONS) for record in await stored(log, partition)]
    assert sorted(appended) == [(record.partition, record.offset, record.body) for record in held]
    for partition in range(PARTITIONS):
        offsets = [record.offset for record in held if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    for appender in appenders:
        await appender.close()
    for each in logs:
        await each.close()


@every_log_between_processes
async def test_a_killed_appender_leaves_no_gap_and_loses_nothing_confirmed(place: Place, log: Log) -> None:
    async def process(name: str) -> asyncio.subprocess.Process:
        module = ["-m", "tests.integration.log_places", *place.arguments()]
        arguments = [*module, TOPIC, str(PARTITIONS), name]
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
        )

    async def confirmed(process: asyncio.subprocess.Process, count: int) -> list[bytes]:
        assert process.stdout is not None
        lines = [await process.stdout.readline() for _ in range(count)]
        process.kill()
        lines += (await process.stdout.read()).splitlines(keepends=True)
        assert await process.wait() == -signal.SIGKILL
        return [line for line in lines if line.endswith(b"\n")]

    processes = [await process("a"), await process("b")]
    appender = log.appender(TOPIC)
    lines = await asyncio.gather(*[confirmed(each, 400) for each in processes])
    after = [await appender.append(partition, b"after") for partition in range(PARTITIONS)]
    await appender.close()
    held = [await stored(log, partition) for partition in range(PARTITIONS)]
    for partition, records in enumerate(held):
        assert [record.offset for record in records] == list(range(len(records)))
        bodies = [record.body for record in records]
        assert len(set(bodies)) == len(bodies)
        assert records[after[partition]].body == b"after"
    appended = [line.split() for line in chain.from_iterable(lines)]
    assert len(appended) >= 800
    for appended_to, offset, body in appended:
        assert held[int(appended_to)][int(offset)].body == body


@every_log
async def test_a_batch_is_contiguous_and_keeps_its_order(place: Place, log: Log) -> None:
    other = place.open()
    appenders = [log.appender(EVENTS_TOPIC), other.appender(EVENTS_TOPIC)]
    batches = [
        [(n % PARTITIONS, f"{which}-{batch}-{n}".encode()) for n in range(40)]
        for which in range(2)
        for batch in range(5)
    ]
    answers = await asyncio.gather(*[appenders[n // 5].append_many(batch) for n, batch in enumerate(batches)])
    held = {p: await stored(log, p, topic=EVENTS_TOPIC) for p in range(PARTITIONS)}
    assert sum(len(records) for records in held.values()) == 400
    for batch, offsets in zip(batches, answers, strict=True):
        assert [held[p][offset].body for (p, _), offset in zip(batch, offsets, strict=True)] == [
            body for _, body in batch
        ]
        for partition in range(PARTITIONS):
            own = [offset for (p, _), offset in zip(batch, offsets, strict=True) if p == partition]
            assert own == sorted(own)
    assert await stored(log, 0) == []  # the other topic is another one
    for appender in appenders:
        await appender.close()
    await other.close()


@every_log
async def test_an_append_completes_only_when_others_can_read_it(place: Place, log: Log) -> None:
    other = place.open()
    appender = log.appender(TOPIC)
    for n in range(20):
        offset = await appender.append(2, b"%d" % n)
        assert [record.body for record in await other.read(TOPIC, 2, offset, 10)] == [b"%d" % n]
    await appender.close()
    await other.close()


@every_log
async def test_a_record_has_the_time_of_the_log(log: Log) -> None:
    appender = log.appender(TOPIC)
    before = int(time.time() * 1000)
    for n in range(30):
        await appender.append(0, b"%d" % n)
    after = int(time.time() * 1000)
    times = [record.at_ms for record in await stored(log, 0)]
    assert times == sorted(times)
    assert before - 50 <= times[0]
    assert times[-1] <= after + 50
    await appender.close()


@every_log
async def test_reading_starts_at_any_offset_and_ends_at_the_end(log: Log) -> None:
    appender = log.appender(TOPIC)
    await appender.append_many([(3, b"%d" % n) for n in range(50)])
    assert (await log.bounds(TOPIC))[3] == (0, 50)
    assert (await log.bounds(TOPIC))[0] == (0, 0)
    assert set(await log.bounds(TOPIC)) == set(range(PARTITIONS))
    assert [record.offset for record in await log.read(TOPIC, 3, 20, 10)] == list(range(20, 30))
    assert [record.offset for record in await log.read(TOPIC, 3, 45, 10)] == list(range(45, 50))
    assert await log.read(TOPIC, 3, 50, 10) == []
    with pytest.raises(WrongLog, match="51"):
        await log.read(TOPIC, 3, 51, 10)
    await appender.close()


@every_log
async def test_a_reader_starts_at_the_offset_of_its_member_and_repeats_nothing(log: Log) -> None:
    appender = log.appender(TOPIC)
    await appender.append_many([(p, b"%d" % n) for n in range(30) for p in range(PARTITIONS)])
    reader = log.reader(TOPIC, GROUP, Follower({0: 10, 1: 30}))
    found = await read_until(reader, lambda records: len(records) >= 80)
    await appender.append_many([(p, b"more") for p in range(PARTITIONS)])
    found += await read_until(reader, lambda records: len(records) >= PARTITIONS)
    for partition, start in enumerate([10, 30, 0, 0]):
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(start, 31))
    assert await reader.poll(max_records=100, wait_s=0) == {}
    await reader.close()
    await appender.close()


@every_log
async def test_load_on_one_partition_does_not_delay_others(log: Log) -> None:
    appender = log.appender(TOPIC)
    await appender.append_many([(0, b"storm")] * 500 + [(p, b"calm") for p in range(1, PARTITIONS)])
    reader = log.reader(TOPIC, GROUP, Follower())
    found: list[Record] = []
    polls = 0
    while len(found) < 503:
        given = await reader.poll(max_records=40, wait_s=5)
        assert all(len(records) <= 40 for records in given.values())
        found += [record for records in given.values() for record in records]
        polls += bool(given)
        if polls <= 3 and {record.partition for record in found} == set(range(PARTITIONS)):
            polls = -1000  # all were served early
    assert polls < 0
    assert [record.offset for record in found if record.partition == 0] == list(range(500))
    await reader.close()
    await appender.close()


@every_log
async def test_a_reader_can_go_back(log: Log) -> None:
    appender = log.appender(TOPIC)
    await appender.append_many([(2, b"%d" % n) for n in range(20)])
    reader = log.reader(TOPIC, GROUP, Follower())
    await read_until(reader, lambda records: len(records) == 20, max_records=7)
    reader.seek(2, 15)
    again = await read_until(reader, lambda records: len(records) == 5)
    assert [record.offset for record in again] == list(range(15, 20))
    await reader.close()
    await appender.close()


@every_log
async def test_a_waiting_reader_is_woken_by_an_append(log: Log) -> None:
    appender = log.appender(TOPIC)
    reader = log.reader(TOPIC, GROUP, Follower())
    await appender.append(0, b"first")
    await read_until(reader, lambda records: len(records) == 1)
    started = time.monotonic()
    waiting = asyncio.create_task(reader.poll(max_records=10, wait_s=10))
    await asyncio.sleep(0.4)
    await appender.append(1, b"second")
    assert [record.body for record in (await waiting)[1]] == [b"second"]
    assert time.monotonic() - started < 1.5
    started = time.monotonic()
    assert await reader.poll(max_records=10, wait_s=0.3) == {}
    assert 0.25 < time.monotonic() - started < 1
    await reader.close()
    await appender.close()


@every_log
async def test_partitions_are_revoked_before_they_are_reassigned(place: Place, log: Log) -> None:
    other = place.open()
    first, second = Follower(), Follower()
    readers = [log.reader(TOPIC, GROUP, first), other.reader(TOPIC, GROUP, second)]
    stop = asyncio.Event()

    async def keep_polling(which: int) -> None:
        while not stop.is_set():
            await readers[which].poll(max_records=10, wait_s=0.1)
            assert first.held.isdisjoint(second.held)

    async def until_all_are_held() -> None:
        async with asyncio.timeout(20):
            while len(first.held | second.held) < PARTITIONS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    polling = asyncio.create_task(keep_polling(0))
    await until_all_are_held()
    assert first.held == set(range(PARTITIONS))
    both = asyncio.gather(polling, keep_polling(1))
    await asyncio.sleep(1.5)
    await until_all_are_held()
    if place.kind == "postgres":  # one reads all, others stand by
        assert second.held == set()
    else:
        assert len(first.held) == len(second.held) == PARTITIONS // 2
        assert ("revoked", list(range(PARTITIONS))) in first.notices
    stop.set()
    await both
    await readers[0].close()
    assert first.held == set()
    async with asyncio.timeout(20):
        while second.held != set(range(PARTITIONS)):
            await readers[1].poll(max_records=10, wait_s=0.1)
    await readers[1].close()
    assert second.held == set()
    await other.close()


@every_log
async def test_poll_raises_errors_of_the_member_and_calls_it_again(log: Log) -> None:
    class FailsOnce(Follower):
        fails = True

        async def assigned(self, partitions: object) -> dict[int, int]:
            if self.fails:
                self.fails = False
                raise RuntimeError("not yet")
            return await super().assigned(list(range(PARTITIONS)))

    appender = log.appender(TOPIC)
    await appender.append(1, b"here")
    reader = log.reader(TOPIC, GROUP, FailsOnce())
    with pytest.raises(RuntimeError, match="not yet"):
        await read_until(reader, lambda records: len(records) == 1)
    found = await read_until(reader, lambda records: len(records) == 1)
    assert [record.body for record in found] == [b"here"]
    await reader.close()
    await appender.close()


@every_log
async def test_an_offset_outside_the_log_is_rejected(log: Log) -> None:
    appender = log.appender(TOPIC)
    await appender.append_many([(0, b"%d" % n) for n in range(5)])
    reader = log.reader(TOPIC, GROUP, Follower({0: 6}))
    with pytest.raises(WrongLog, match="6"):
        await read_until(reader, lambda records: len(records) == 1, within_s=10)
    await reader.close()
    await appender.close()


@every_log
async def test_large_records_are_accepted_and_too_large_ones_rejected_at_once(log: Log) -> None:
    appender = log.appender(TOPIC)
    large = b"x" * MAX_BODY_BYTES
    small, at = await asyncio.gather(appender.append(0, b"small"), appender.append(0, large))
    with pytest.raises(ValueError, match="bytes"):
        await appender.append(0, large + b"x")
    with pytest.raises(ValueError, match="bytes"):
        await appender.append_many([(0, b"small"), (0, large + b"x")])
    assert (small, at) == (0, 1)
    assert (await log.read(TOPIC, 0, 1, 5))[0].body == large
    reader = log.reader(TOPIC, GROUP, Follower())
    found = await read_until(reader, lambda records: len(records) == 2)
    assert [len(record.body) for record in found] == [5, MAX_BODY_BYTES]
    await reader.close()
    await appender.close()


@every_log
async def test_an_append_to_a_missing_partition_does_not_fail_others(log: Log) -> None:
    appender = log.appender(TOPIC)
    answers = await asyncio.gather(
        appender.append(0, b"one"),
        appender.append(PARTITIONS, b"nowhere"),
        appender.append(0, b"two"),
        return_exceptions=True,
    )
    assert answers[0] == 0
    assert isinstance(answers[1], WrongLog)
    assert answers[2] == 1
    await appender.close()


@every_log
async def test_closing_waits_for_pending_appends_and_rejects_new_ones(log: Log) -> None:
    appender = log.appender(TOPIC)
    taken = [appender.append(0, b"%d" % n) for n in range(50)]
    await asyncio.sleep(0)
    await appender.close()
    assert await asyncio.gather(*taken) == list(range(50))
    with pytest.raises(LogUnavailable) as refused:
        await appender.append(0, b"late")
    assert not refused.value.outcome_unknown
    assert len(await stored(log, 0)) == 50


@every_log
async def test_identity_is_stable_across_connections_and_repeated_creation(place: Place, log: Log) -> None:
    other = place.open()
    identity = await log.identity()
    assert identity.kind == place.kind
    await other.create(PARTITIONS * 2)
    assert await other.identity() == identity
    assert len(await other.bounds(TOPIC)) == PARTITIONS
    await other.close()


@every_log
async def test_a_log_without_topics_is_an_error(place: Place) -> None:
    log = place.open()
    with pytest.raises(WrongLog):
        await log.identity()
    await log.close()
