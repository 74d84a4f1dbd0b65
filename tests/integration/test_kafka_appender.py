"""Appending to Kafka while a slow connection is being opened."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from runtime.log.kafka import KafkaLog
from schemas.wire import COMMANDS_TOPIC

pytestmark = pytest.mark.kafka


async def test_records_that_arrive_while_connecting_are_completed_once(kafka_bootstrap: str) -> None:
    log = KafkaLog(kafka_bootstrap, prefix=f"{uuid.uuid4().hex}.")
    await log.create(4)
    for _ in range(3):
        appender = log.appender(COMMANDS_TOPIC)
        before = await log.bounds(COMMANDS_TOPIC)
        appends = []
        for n in range(400):
            appends.append(appender.append(n % 4, str(n).encode()))
            await asyncio.sleep(0.001)
        offsets = await asyncio.wait_for(asyncio.gather(*appends), 10)
        for partition, (_, end) in before.items():
            assert offsets[partition::4] == list(range(end, end + 100))
        await appender.close()
    await log.close()
