"""Opening of the configured log, and the binding of a database to one log."""

from __future__ import annotations

import uuid

import asyncpg
import pytest
from aiokafka.admin import NewTopic

from runtime.log import WrongLog
from runtime.log.in_memory import MemoryLog
from runtime.log.kafka import KafkaLog
from runtime.log.kafka_topics import LEAST_RETENTION_MS, SETTINGS, administer
from runtime.log.opening import bind_log, check_bounds, open_log
from runtime.log.postgres import PostgresLog
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC


async def test_kafka_is_opened_if_configured_and_the_database_otherwise() -> None:
    assert isinstance(await open_log("127.0.0.1:9092", "postgresql:///aisle"), KafkaLog)
    assert isinstance(await open_log(None, "postgresql:///aisle"), PostgresLog)
    with pytest.raises(ValueError, match="AISLE_DATABASE_URL"):
        await open_log(None, None)


async def test_a_database_stays_bound_to_its_first_log(
    database: asyncpg.Connection, database_url: str
) -> None:
    first = await open_log(None, database_url)
    await first.create(2)
    await bind_log(database, first)
    await bind_log(database, first)
    other = MemoryLog(lambda: 0)
    await other.create(2)
    with pytest.raises(WrongLog, match=r"belongs to the postgres log.*another AISLE_HOME"):
        await bind_log(database, other)
    await database.execute("UPDATE log_topics SET topic_id = gen_random_uuid()")
    with pytest.raises(WrongLog, match="made anew"):
        await bind_log(database, first)
    await first.close()


async def test_a_new_database_rejects_a_log_with_commands(database: asyncpg.Connection) -> None:
    log = MemoryLog(lambda: 0)
    await log.create(2)
    log.put(COMMANDS_TOPIC, 1, b"{}")
    with pytest.raises(WrongLog, match="another database"):
        await bind_log(database, log)


async def test_a_database_without_tables_is_named(database_url: str, database: asyncpg.Connection) -> None:
    await database.execute("DROP TABLE log_topics")
    log = PostgresLog(database_url)
    with pytest.raises(WrongLog, match="migrate"):
        await log.identity()
    await log.close()


@pytest.mark.kafka
async def test_recreated_topics_are_another_log(database: asyncpg.Connection, kafka_bootstrap: str) -> None:
    log = KafkaLog(kafka_bootstrap, prefix=(prefix := f"{uuid.uuid4().hex}."))
    await log.create(1)
    await bind_log(database, log)
    async with administer(kafka_bootstrap) as admin:
        await admin.delete_topics([prefix + COMMANDS_TOPIC, prefix + EVENTS_TOPIC])
    await log.create(1)
    with pytest.raises(WrongLog, match="made anew"):
        await bind_log(database, log)
    await log.close()


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("message.timestamp.type", "CreateTime"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000000"),
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "1048588"),
    ],
)
async def test_a_topic_with_other_settings_is_rejected_with_the_correcting_command(
    kafka_bootstrap: str, name: str, value: str
) -> None:
    prefix = f"{uuid.uuid4().hex}."
    async with administer(kafka_bootstrap) as admin:
        configs = SETTINGS | {name: value}
        await admin.create_topics([NewTopic(prefix + COMMANDS_TOPIC, 1, 1, topic_configs=configs)])
    log = KafkaLog(kafka_bootstrap, prefix=prefix)
    with pytest.raises(WrongLog, match=f"has {name}={value}.*kafka-configs.*--add-config {name}="):
        await log.create(1)
    with pytest.raises(WrongLog, match=f"has {name}={value}"):
        await log.identity()
    await log.close()


@pytest.mark.kafka
async def test_a_topic_may_keep_its_records_for_a_month_or_longer(kafka_bootstrap: str) -> None:
    prefix = f"{uuid.uuid4().hex}."
    async with administer(kafka_bootstrap) as admin:
        configs = SETTINGS | {"retention.ms": str(LEAST_RETENTION_MS)}
        await admin.create_topics([NewTopic(prefix + COMMANDS_TOPIC, 1, 1, topic_configs=configs)])
    log = KafkaLog(kafka_bootstrap, prefix=prefix)
    await log.create(1)
    assert (await log.identity()).kind == "kafka"
    await log.close()


def test_a_next_offset_outside_of_the_log_is_rejected() -> None:
    bounds = {0: (0, 10), 1: (5, 10)}
    check_bounds({0: 0, 1: 5}, bounds)
    check_bounds({0: 10}, bounds)
    with pytest.raises(WrongLog, match=r"partition 0 goes on at offset 11 .*ends at 10"):
        check_bounds({0: 11}, bounds)
    with pytest.raises(WrongLog, match=r"partition 1 goes on at offset 4 .*starts at 5"):
        check_bounds({1: 4}, bounds)
    with pytest.raises(WrongLog, match="partition 2"):
        check_bounds({0: 3, 2: 0}, bounds)
