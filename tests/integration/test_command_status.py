"""The status of a command: pending while it is undecided in the log, not found at an unwritten position."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from gateway.commands.log_ends import LogEnds
from runtime.log import LogUnavailable
from runtime.log.kafka import KafkaLog
from runtime.log.postgres import PostgresLog
from runtime.settings import Settings
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC
from tests.integration.gateway_server import KEYS, Server, serving

NEVER = [
    "0-2", "0-3", "0-99999", "1-0", "7-0", "8-0", "77-0", "999999-0", "1000000-0", "0-9223372036854775807",
    "0-9223372036854775808", "0-" + "9" * 40, "00-0", "0-00", "0--1", "-0", "0-", "0", "0-0-0", "x-y", "0-1%20",
]  # fmt: skip


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=8)


async def new_show(server: Server) -> tuple[int, str]:
    """Makes a show that stays unopened without a worker; returns it with the position of its only command."""
    async with server.client(1, "staff") as staff:
        movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
        show = {"movie_id": movie, "screen_name": "1", "starts_at": "2098-01-01T00:00:00Z", "total_seats": 9}
        made = await staff.post("/api/shows", json=show, headers={"Prefer": "respond-async"})
    assert made.status_code == 202
    return made.json()["show_id"], made.json()["command"]


async def check_not_found(client: httpx.AsyncClient, position: str) -> None:
    for headers in ({}, {"Prefer": "wait=20"}):
        began = time.monotonic()
        answer = await client.get(f"/api/commands/{position}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (position, answer.text)
        assert time.monotonic() - began < 10, f"{position} is answered at once"


async def test_an_unwritten_position_is_not_found(made: Settings) -> None:
    async with serving(made, worker=False) as server, server.client(7) as owner, server.client(8) as other:
        await check_not_found(owner, "0-0")
        show_id, opening = await new_show(server)
        assert opening == "0-0"
        booked = await owner.post(
            f"/api/shows/{show_id}/bookings", json={"seats": ["1"]}, headers={"Prefer": "respond-async"}
        )
        assert (booked.status_code, booked.json()["command"]) == (202, "0-1")
        for client in (owner, other):
            answer = await client.get("/api/commands/0-1")
            assert answer.json() == {"command": "0-1", "status": "pending"}
            for position in NEVER:
                await check_not_found(client, position)


async def test_a_pruned_position_is_not_found_and_its_booking_is(made: Settings) -> None:
    async with serving(made) as server, server.client(1, "staff") as staff, server.client(7) as owner:
        movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
        show = {"movie_id": movie, "screen_name": "1", "starts_at": "2098-01-01T00:00:00Z", "total_seats": 9}
        show_id = (await staff.post("/api/shows", json=show)).json()["id"]
        booked = (await owner.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})).json()
        position = "{partition}-{offset}".format(**booked["decided"])
        assert (await owner.get(f"/api/commands/{position}")).status_code == 200
        await server.sql("DROP TABLE decisions_rest")  # as `aisle prune` drops a part
        await check_not_found(owner, position)
        assert (await owner.get(f"/api/bookings/{booked['id']}")).json() == booked


async def test_a_command_of_another_gateway_is_pending_at_once(made: Settings) -> None:
    async with (
        serving(made, worker=False) as first,
        serving(made, worker=False) as second,
        first.client(7) as here,
        second.client(7) as there,
    ):
        show_id, _ = await new_show(first)
        for n in range(1, 20):
            await check_not_found(there, f"0-{n}")
            booked = await here.post(
                f"/api/shows/{show_id}/bookings", json={"seats": ["1"]}, headers={"Prefer": "respond-async"}
            )
            assert booked.json()["command"] == f"0-{n}"
            answer = await there.get(booked.headers["location"])
            assert (answer.status_code, answer.json()["status"]) == (200, "pending")
            assert answer.headers["retry-after"]


async def test_an_unavailable_log_is_503(made: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(made, worker=False) as server, server.client(7) as client:
        _, opening = await new_show(server)

        async def gone(self: PostgresLog, topic: str) -> dict[int, tuple[int, int]]:
            raise LogUnavailable("the log is away")

        monkeypatch.setattr(PostgresLog, "bounds", gone)
        assert (await client.get(f"/api/commands/{opening}")).json()["status"] == "pending"
        answer = await client.get("/api/commands/0-5")
        assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
        assert answer.headers["retry-after"]


@pytest.mark.kafka
async def test_log_ends_are_those_of_kafka(kafka_bootstrap: str) -> None:
    prefix = f"{uuid.uuid4().hex}."
    log, elsewhere = (KafkaLog(kafka_bootstrap, prefix=prefix) for _ in range(2))
    await log.create(2)
    appender = elsewhere.appender(COMMANDS_TOPIC)
    try:
        ends = LogEnds(log)
        for n in range(20):
            assert not await ends.has(Position(1, n))
            assert await appender.append(1, b"x") == n
            assert await ends.has(Position(1, n))
        for position in (Position(0, 0), Position(2, 0), Position(77, 0), Position(1, 2**63 - 1)):
            assert not await ends.has(position)
    finally:
        await appender.close()
        await log.close()
        await elsewhere.close()
