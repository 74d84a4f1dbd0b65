"""The short form of `make attack`: what an attacker without an account can cost a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.log.opening import open_log
from tests.attack.attacks import ATTACKS, SHORT
from tests.attack.victim import GIVEN_BACK, GROWTH, SETTINGS, Victim
from tests.e2e.gateway_processes import gateway_processes

SECONDS = 4.0
P50_S = 2.0
"""An honest client waits 10 ms on a quiet machine; a stalled loop, as before there were bounds, is 20 s."""


@pytest.fixture
async def victim(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Victim]:
    log = await open_log(None, database_url)
    await log.create(1)
    await log.close()
    settings = {
        "AISLE_HOME": str(tmp_path / "home"),
        "AISLE_DATABASE_URL": database_url,
        "AISLE_REDIS_URL": redis_url,
    }
    with gateway_processes(settings | SETTINGS) as gateways:
        gateway = gateways.start()
        await gateways.ready()
        yield Victim(gateway.pid, gateways.port)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
async def test_an_attack_raises_neither_memory_nor_latency_of_others_beyond_their_limits(
    victim: Victim, name: str
) -> None:
    cost = await victim.cost_of(ATTACKS[name], SECONDS)
    print(f"{name}: {cost}")  # noqa: T201
    assert cost.growth < GROWTH, cost
    assert cost.left < GIVEN_BACK, cost
    assert cost.p50_s < P50_S, cost
