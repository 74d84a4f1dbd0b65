"""Readiness: what makes a gateway unready, and for how long an added partition does not."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest

from gateway import health
from gateway.health import Health
from runtime.log.in_memory import MemoryLog
from schemas.wire import COMMANDS_TOPIC


class Clock:
    """A clock that tests set."""

    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def taken(*partitions: int) -> list[dict[str, int]]:
    return [{"partition": partition, "epoch": 1, "next_offset": 0} for partition in partitions]


async def test_an_added_partition_makes_a_gateway_unready_only_after_a_while(clock: Clock) -> None:
    log = MemoryLog(lambda: 0)
    await log.create(2)
    pool = mock.Mock(fetchval=mock.AsyncMock(return_value=0), fetch=mock.AsyncMock(return_value=taken(0)))
    probe = Health(pool, log)
    assert await probe.missing() == ["a seat worker for the partitions 1"], "at a start all are needed"
    pool.fetch.return_value = taken(0, 1)
    clock.now_s += 1
    assert await probe.missing() == []
    await log.add_partitions(3)
    clock.now_s += 1
    assert await probe.missing() == []
    clock.now_s += 9
    assert await probe.missing() == []
    clock.now_s += 2
    assert await probe.missing() == ["a seat worker for the partitions 2"]
    pool.fetch.return_value = taken(0, 1, 2)
    clock.now_s += 1
    assert await probe.missing() == []


async def test_health_names_the_partitions_whose_worker_does_not_decide(clock: Clock) -> None:
    log = MemoryLog(lambda: 0)
    await log.create(2)
    await log.appender(COMMANDS_TOPIC).append(1, b"{}")
    pool = mock.Mock(fetchval=mock.AsyncMock(return_value=0), fetch=mock.AsyncMock(return_value=taken(0, 1)))
    probe = Health(pool, log)
    assert await probe.missing() == []
    clock.now_s += 11
    (missing,) = await probe.missing()
    assert missing.startswith("decisions of the seat worker of the partitions 1:")
