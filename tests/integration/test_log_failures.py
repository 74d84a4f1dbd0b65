"""Failures of the server of a log: known and unknown outcomes, and recovery."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from ops.migrations import migrate
from runtime.log import Appender, Log, LogUnavailable
from runtime.log.kafka import KafkaLog
from runtime.log.kafka_appender import KafkaAppender
from runtime.log.postgres import PostgresLog
from runtime.log.postgres_appender import MAX_PENDING_RECORDS
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.integration.crashing_postgres import CrashingPostgres
from tests.integration.log_places import Follower, read_until
from tests.kafka_fixture import start_node

TOPIC = COMMANDS_TOPIC


@pytest.fixture
async def postgres_log(database_url: str) -> AsyncIterator[PostgresLog]:
    log = PostgresLog(database_url)
    await log.create(2)
    yield log
    await log.close()


@pytest.fixture
async def kafka_log(kafka_bootstrap: str) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(kafka_bootstrap, prefix=f"{uuid.uuid4().hex}.")
    await log.create(2)
    yield log
    await log.close()


class Load:
    """Concurrent tasks that append one record at a time and record the results."""

    def __init__(self, appender: Appender, tasks: int = 50) -> None:
        self.confirmed: dict[bytes, tuple[int, int]] = {}
        self.refused: list[bytes] = []
        self.unknown: list[bytes] = []
        self._appender = appender
        self._stop = False
        self._tasks = [asyncio.create_task(self._append(task)) for task in range(tasks)]

    async def _append(self, task: int) -> None:
        n = 0
        while not self._stop:
            body, partition = f"{task}-{n}".encode(), (task + n) % 2
            n += 1
            try:
                self.confirmed[body] = (partition, await self._appender.append(partition, body))
            except LogUnavailable as error:
                (self.unknown if error.outcome_unknown else self.refused).append(body)
                await asyncio.sleep(0.05)

    async def confirms(self, more: int) -> None:
        """Waits until this number of further appends is confirmed."""
        wanted = len(self.confirmed) + more
        async with asyncio.timeout(40):
            while len(self.confirmed) < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def compare(self, log: Log) -> None:
        """Asserts that confirmed records are at their offsets, rejected ones nowhere, and none twice."""
        held: dict[bytes, tuple[int, int]] = {}
        for partition, (first, end) in (await log.bounds(TOPIC)).items():
            records = await log.read(TOPIC, partition, first, end - first)
            assert [record.offset for record in records] == list(range(end))
            for record in records:
                assert record.body not in held
                held[record.body] = (partition, record.offset)
        assert {body: held.get(body) for body in self.confirmed} == self.confirmed
        assert held.keys().isdisjoint(self.refused)
        assert held.keys() - self.confirmed.keys() <= set(self.unknown)


async def end_connections(database: asyncpg.Connection, purpose: str) -> int:
    """Ends the connections with this application name, as a broken network would."""
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1",
        f"aisle log, {purpose}%",
    )
    return len(ended)


async def test_an_appender_continues_after_losing_its_connection(
    postgres_log: PostgresLog, database: asyncpg.Connection
) -> None:
    appender = postgres_log.appender(TOPIC)
    load = Load(appender)
    for _ in range(5):
        await load.confirms(200)
        assert await end_connections(database, "appends") == 1
    await load.confirms(200)
    await load.end()
    await load.compare(postgres_log)
    await appender.close()


async def test_a_reader_that_loses_its_connection_loses_its_partitions(
    postgres_log: PostgresLog, database: asyncpg.Connection
) -> None:
    appender = postgres_log.appender(TOPIC)
    await appender.append(0, b"first")
    follower, follower_on_standby = Follower(), Follower({0: 1})
    reader = postgres_log.reader(TOPIC, "readers", follower)
    standby = postgres_log.reader(TOPIC, "readers", follower_on_standby)
    await read_until(reader, lambda records: len(records) == 1)
    assert await standby.poll(max_records=10, wait_s=0.3) == {}
    assert await end_connections(database, "readers") == 2
    with pytest.raises(LogUnavailable):
        await reader.poll(max_records=10, wait_s=1)
    assert follower.notices == [("assigned", [0, 1]), ("revoked", [0, 1])]
    with pytest.raises(LogUnavailable):
        await standby.poll(max_records=10, wait_s=1)
    await appender.append(0, b"second")
    found = await read_until(standby, lambda records: len(records) == 1)
    assert [record.body for record in found] == [b"second"]
    assert await reader.poll(max_records=10, wait_s=0.3) == {}
    await standby.close()
    again = await read_until(reader, lambda records: len(records) == 2)
    assert [record.body for record in again] == [b"first", b"second"]
    await reader.close()
    await appender.close()


@pytest.mark.parametrize("topic", [COMMANDS_TOPIC, EVENTS_TOPIC])
async def test_what_postgresql_has_confirmed_survives_its_crash(topic: str) -> None:
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as home:
        server = CrashingPostgres(Path(home))
        with server.running():
            await migrate(server.url)
            log = PostgresLog(server.url)
            await log.create(2)
            for number in range(2):
                appender = log.appender(topic)
                offset = await appender.append(0, b"%d" % number)
                server.crash()
                await appender.close()
                await log.close()
                log = PostgresLog(server.url)
                [record] = await log.read(topic, 0, offset, 10)
                assert (record.offset, record.body) == (number, b"%d" % number)
            await log.close()


async def test_appends_beyond_the_queue_limit_are_rejected_at_once(postgres_log: PostgresLog) -> None:
    appender = postgres_log.appender(TOPIC)
    answers = await asyncio.gather(
        *[appender.append(n % 2, b"%d" % n) for n in range(MAX_PENDING_RECORDS + 100)],
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, LogUnavailable)]
    assert len(refused) == 100
    assert not any(error.outcome_unknown for error in refused)
    assert sum([end for _, end in (await postgres_log.bounds(TOPIC)).values()]) == MAX_PENDING_RECORDS
    await appender.close()


@pytest.mark.parametrize("kind", ["postgres", "kafka"])
async def test_a_missing_server_is_reported_at_once_with_a_known_outcome(
    kind: str, unused_tcp_port: int
) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    log = KafkaLog(address) if kind == "kafka" else PostgresLog(f"postgresql://nobody@{address}/nothing")
    appender = log.appender(TOPIC)
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(LogUnavailable) as refused:
                await appender.append(0, b"lost")
            assert not refused.value.outcome_unknown
        reader = log.reader(TOPIC, "readers", Follower())
        with pytest.raises(LogUnavailable):
            await reader.poll(max_records=1, wait_s=1)
        with pytest.raises(LogUnavailable):
            await log.identity()
        await reader.close()
        await appender.close()
        await log.close()


@pytest.mark.kafka
async def test_an_append_confirmed_without_an_offset_is_found_in_the_log(
    kafka_log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    appender, other = kafka_log.appender(TOPIC), kafka_log.appender(TOPIC)
    await appender.append(0, b"before")
    send_batch = AIOKafkaProducer.send_batch
    stripped = 0

    async def without_offset(*arguments: Any, **named: Any) -> asyncio.Future[Any]:
        nonlocal stripped
        answer = await send_batch(*arguments, **named)
        stripped += 1
        done = asyncio.get_running_loop().create_future()
        done.set_result((await answer)._replace(offset=-1))
        return done

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", without_offset)
    mine = [b"mine-%d" % n for n in range(20)]
    theirs = [b"theirs-%d" % n for n in range(20)]
    offsets = await asyncio.gather(
        *[appender.append(0, body) for body in mine], *[other.append(0, body) for body in theirs]
    )
    assert stripped >= 2
    held = {record.body: record.offset for record in await kafka_log.read(TOPIC, 0, 0, 100)}
    assert len(held) == 41
    assert offsets == [held[body] for body in mine + theirs]
    await appender.close()
    await other.close()


@pytest.mark.kafka
async def test_a_producer_that_is_out_of_sequence_is_replaced(kafka_log: KafkaLog) -> None:
    appender = kafka_log.appender(TOPIC)
    load = Load(appender)
    for _ in range(3):
        await load.confirms(200)
        lose_a_batch(appender, TopicPartition(appender._name, 0))
    await load.confirms(200)
    await load.end()
    await load.compare(kafka_log)
    assert load.unknown
    await appender.close()


def lose_a_batch(appender: KafkaAppender, partition: TopicPartition) -> None:
    """Advances the producer's sequence number, as if it had sent records that the broker has not received."""
    assert appender._producer is not None
    appender._producer._txn_manager.increment_sequence_number(partition, 7)


@pytest.mark.kafka
@pytest.mark.slow
async def test_a_restarted_kafka_neither_loses_nor_duplicates_records(
    tmp_path: Path,
) -> None:
    node = start_node(tmp_path / "kafka")
    log = KafkaLog(node.address)
    try:
        await log.create(2)
        appender = log.appender(TOPIC)
        reader = log.reader(TOPIC, "readers", Follower())
        load = Load(appender)
        found = []
        for _ in range(2):
            await load.confirms(300)
            node.kill()
            await asyncio.sleep(0.2)
            node.spawn()
            await asyncio.to_thread(node.wait_ready)
        await load.confirms(300)
        await load.end()
        await load.compare(log)
        found += await read_until(reader, lambda records: len(records) >= len(load.confirmed))
        assert load.confirmed.keys() <= {record.body for record in found}
        await reader.close()
        await appender.close()
        await log.close()
    finally:
        node.kill()
