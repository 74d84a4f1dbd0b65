"""Routine refusals log no warning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from gateway.catalogue import show_changes
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving
from tests.integration.programme import add_movie, add_show


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)


def warnings(entries: list[Any]) -> list[Any]:
    return [entry for entry in entries if entry["log_level"] in ("warning", "error", "critical")]


async def test_refused_staff_commands_log_no_warning(made: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show_changes, "_SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr(show_changes, "_ABANDONED_AFTER_S", 0.0)
    async with serving(made) as server, server.client(1, "staff") as staff, server.client(5) as customer:
        show = f"/api/shows/{(await add_show(staff, await add_movie(staff)))['id']}"
        with structlog.testing.capture_logs() as entries:
            assert (await customer.post(f"{show}/bookings", json={"seats": ["1"]})).status_code == 201
            assert (await customer.post(f"{show}/bookings", json={"seats": ["1"]})).status_code == 409
            assert (await staff.post(f"{show}/block", json={"seats": ["1"]})).status_code == 409
            response = await staff.post(
                f"{show}/block", json={"seats": ["1"]}, headers={"Prefer": "respond-async"}
            )
            assert response.status_code == 202
            assert (await staff.post(f"{show}/unblock", json={"seats": ["none"]})).status_code == 400
            assert (await staff.post(f"{show}/cancel")).status_code == 200
            assert (await staff.patch(show, json={"screen_name": "Hall 2"})).status_code == 409
            await asyncio.sleep(0.5)
        assert warnings(entries) == []
        rows = await server.sql("SELECT accepted FROM show_requests")
        assert [row["accepted"] for row in rows] == [False] * 4


async def test_a_repeat_that_the_worker_looks_up_logs_no_warning(made: Settings) -> None:
    key = {"Idempotency-Key": "again"}
    async with serving(made) as server, server.client(1, "staff") as staff, server.client(5) as customer:
        show = f"/api/shows/{(await add_show(staff, await add_movie(staff)))['id']}"
        first = await customer.post(f"{show}/bookings", json={"seats": ["1"]}, headers=key)
    async with serving(made) as server, server.client(5) as customer:
        with structlog.testing.capture_logs() as entries:
            again = await customer.post(f"{show}/bookings", json={"seats": ["1"]}, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert warnings(entries) == []
