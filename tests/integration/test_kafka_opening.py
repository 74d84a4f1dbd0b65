"""Opening the log in Kafka while one of its nodes goes away: the others are asked."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient

from runtime.log import LogUnavailable
from runtime.log.kafka import KafkaLog

pytestmark = pytest.mark.kafka


async def test_a_node_that_goes_in_the_middle_of_opening_the_log_is_not_the_cluster(
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
