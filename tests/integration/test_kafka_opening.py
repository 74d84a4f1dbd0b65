"""Opening the log in Kafka while one of its nodes fails."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient

from runtime.log import LogUnavailable
from runtime.log.kafka import KafkaLog

pytestmark = pytest.mark.kafka


async def test_opening_continues_on_another_node_when_one_fails(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, asked = AIOKafkaAdminClient._send_request, []

    async def breaks_once(admin: Any, request: Any, node_id: Any = None) -> Any:
        asked.append(request)
        if len(asked) in (1, 6):
            raise errors.NodeNotReadyError(
                "Attempt to send a request to node which is not ready (node id 2)."
            )
        return await send(admin, request, node_id)

    monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", breaks_once)
    log = KafkaLog(kafka_bootstrap, prefix=f"{uuid.uuid4().hex}.")
    await log.create(2)
    assert (await log.identity()).kind == "kafka"
    assert len(asked) > 6
    await log.close()


async def test_opening_the_log_of_an_unavailable_kafka_fails_at_once() -> None:
    with pytest.raises(LogUnavailable, match="does not answer"):
        await KafkaLog("127.0.0.1:9").identity()
