"""A failing gateway answers pending requests with 202 if their command is in the log, never with 500."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.commands.decision_lookup import DecisionLookup
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving


class Broken(Exception):
    """An unexpected exception."""


async def test_when_a_background_task_fails_pending_requests_are_answered_202(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(jwt_keys=KEYS, database_url=database_url, redis_url=redis_url, partitions=2)
    dies = asyncio.Event()
    responses: list[httpx.Response] = []

    async def look_up(_: Any) -> None:
        await dies.wait()
        raise Broken

    async def ask() -> None:
        async with serving(made, worker=False) as server, server.client(1, "staff") as staff:
            movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
            starts_at = "2098-01-01T00:00:00Z"
            show = {"movie_id": movie, "screen_name": "1", "starts_at": starts_at, "total_seats": 9}
            waiting = asyncio.create_task(staff.post("/api/shows", json=show, headers={"Prefer": "wait=30"}))
            await _appended(server)
            dies.set()
            responses.append(await waiting)

    monkeypatch.setattr(DecisionLookup, "run", look_up)
    with pytest.raises(Broken):
        await ask()
    (response,) = responses
    assert (response.status_code, response.headers["retry-after"]) == (202, "1"), response.text


async def _appended(server: Server) -> None:
    while True:
        if await server.sql("SELECT FROM log"):
            return
        await asyncio.sleep(0.02)
