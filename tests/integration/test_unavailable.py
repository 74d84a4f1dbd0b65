"""Responses to bookings when an append fails and when a bound is exceeded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runtime.log import LogUnavailable
from runtime.log.postgres_appender import PostgresAppender
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

WANTED = {"seats": ["1"]}


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, max_in_flight_show=1
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1000) as client:
        yield client


@pytest.fixture
async def path(server: Server) -> str:
    async with server.client(1, "staff") as staff:
        movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
        show = {"movie_id": movie, "screen_name": "1", "starts_at": "2098-01-01T00:00:00Z", "total_seats": 9}
        return f"/api/shows/{(await staff.post('/api/shows', json=show)).json()['id']}/bookings"


@pytest.mark.parametrize("unknown", [False, True])
async def test_a_failed_append_is_503_with_the_known_outcome(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch, unknown: bool
) -> None:
    def gone(*_: Any) -> asyncio.Future[int]:
        response: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        response.set_exception(LogUnavailable("gone", outcome_unknown=unknown))
        return response

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patched:
        patched.setattr("runtime.log.postgres_appender.PostgresAppender.append", gone)
        response = await client.post(path, json=WANTED, headers=key)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (503, "log_unavailable")
    assert int(response.headers["retry-after"]) == problem["retry_after_s"] >= 1
    assert (problem.get("outcome"), "booking_id" in problem) == (
        ("unknown", True) if unknown else (None, False)
    )
    again = await client.post(path, json=WANTED, headers=key)
    assert again.status_code == 201, "the same key, once the log is back"


async def test_commands_over_a_shows_bound_are_not_appended(
    server: Server, client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, held = asyncio.Event(), asyncio.Event()

    append = PostgresAppender.append

    def slow(self: PostgresAppender, partition: int, body: bytes) -> asyncio.Future[int]:
        async def appended() -> int:
            held.set()
            await let_go.wait()
            return await append(self, partition, body)

        return asyncio.ensure_future(appended())

    monkeypatch.setattr(PostgresAppender, "append", slow)
    first = asyncio.create_task(client.post(path, json=WANTED))
    await held.wait()
    async with server.client(1001) as other:
        refused = await other.post(path, json={"seats": ["2"]})
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        let_go.set()
        assert (await first).status_code == 201
        assert (await other.post(path, json={"seats": ["2"]})).status_code == 201
