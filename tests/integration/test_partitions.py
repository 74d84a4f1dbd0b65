"""Partitions of the log: shows are placed on added and reserved ones; wrong requests change nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.partitions.changes import CannotChange, add, release, reserve
from ops.partitions.state import PartitionState, read_partitions, table
from runtime.log import Log
from runtime.log.opening import bind_log
from runtime.log.postgres import PostgresLog
from schemas.wire import COMMANDS_TOPIC
from tests.integration.gateway_server import Server

SHOW = {"screen_name": "Screen", "starts_at": "2099-01-01T20:00:00Z", "total_seats": 20}


async def movie_of(staff: httpx.AsyncClient) -> int:
    made = await staff.post("/api/movies", json={"title": "The Crowd", "duration_minutes": 98})
    movie_id: int = made.json()["id"]
    return movie_id


async def partition_of(server: Server, staff: httpx.AsyncClient, **wanted: Any) -> int:
    """Creates a show; returns its partition."""
    made = await staff.post("/api/shows", json=SHOW | wanted)
    assert made.status_code == 201, made.text
    [row] = await server.sql("SELECT partition FROM shows WHERE show_id = $1", made.json()["id"])
    partition: int = row["partition"]
    return partition


@pytest.fixture
async def log(database_url: str) -> Any:
    made = PostgresLog(database_url)
    yield made
    await made.close()


async def test_a_running_gateway_and_worker_use_added_and_reserved_partitions(
    server: Server, staff: httpx.AsyncClient, database: asyncpg.Connection, log: Log
) -> None:
    movie = await movie_of(staff)
    assert {await partition_of(server, staff, movie_id=movie) for _ in range(2)} == {0, 1}
    assert await add(database, log, 2) == range(2, 4)
    async with asyncio.timeout(10):
        while [row.owner for row in await read_partitions(database, log)].count(None):
            pass
    assert {await partition_of(server, staff, movie_id=movie) for _ in range(2)} == {2, 3}
    await reserve(database, log, 3)
    # Without the reservation the third partition would be the one with the fewest seats in one of these.
    assert 3 not in [await partition_of(server, staff, movie_id=movie) for _ in range(6)]
    assert await partition_of(server, staff, movie_id=movie, partition=3) == 3
    [show] = await server.sql("SELECT max(show_id) AS id FROM shows WHERE partition = 3")
    await server.add_users(7)
    async with server.client(7) as customer:
        booked = await customer.post(f"/api/shows/{show['id']}/bookings", json={"seats": ["4"]})
    assert booked.status_code == 201, booked.text
    assert booked.json()["decided"] == {"partition": 3, "offset": 2}
    assert (await staff.get("/health/ready")).status_code == 200
    states = await read_partitions(database, log)
    assert states[3] == PartitionState(3, states[3].owner, 1, 0, 0.0, 2, 39, True)
    assert states[3].owner == states[0].owner
    assert str(states[3].owner).endswith(f":{os.getpid()}")
    await release(database, log, 3)
    assert 3 in [await partition_of(server, staff, movie_id=movie) for _ in range(4)]


async def test_a_partition_that_does_not_exist_is_refused_by_name(
    server: Server, staff: httpx.AsyncClient
) -> None:
    movie = await movie_of(staff)
    for partition in (2, 4095, -1, 4096, 1.5, "1"):
        refused = await staff.post("/api/shows", json=SHOW | {"movie_id": movie, "partition": partition})
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == ["partition"]
    assert await server.sql("SELECT FROM shows") == []
    assert await partition_of(server, staff, movie_id=movie, partition=None) == 0


async def test_a_repeat_with_another_partition_is_another_request(
    server: Server, staff: httpx.AsyncClient
) -> None:
    body = SHOW | {"movie_id": await movie_of(staff), "partition": 1}
    key = {"Idempotency-Key": "a-premiere"}
    first = await staff.post("/api/shows", json=body, headers=key)
    again = await staff.post("/api/shows", json=body, headers=key)
    other = await staff.post("/api/shows", json=body | {"partition": 0}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json()["id"] == first.json()["id"]
    assert other.json()["code"] == "key_reused"


async def test_changes_that_make_no_sense_are_refused_and_change_nothing(
    database: asyncpg.Connection, log: Log
) -> None:
    await log.create(2)

    async def refused(change: Any, number: int, message: str) -> None:
        before = await log.bounds(COMMANDS_TOPIC), await database.fetch("SELECT * FROM reserved_partitions")
        with pytest.raises(CannotChange, match=message):
            await change(database, log, number)
        assert before == (
            await log.bounds(COMMANDS_TOPIC),
            await database.fetch("SELECT * FROM reserved_partitions"),
        )

    for count in (0, -1, 4095, 10**9):
        await refused(add, count, "a number from 1 to 4094 is wanted: this log has 2 partitions")
    await refused(reserve, 2, "there is no partition 2: the log has 0 to 1")
    await refused(release, 9, "there is no partition 9")
    await refused(release, 1, "partition 1 is not reserved")
    await reserve(database, log, 1)
    await refused(reserve, 1, "partition 1 is reserved already")
    await refused(reserve, 0, "partition 0 is the last one for new shows")
    await release(database, log, 1)
    await reserve(database, log, 0)


async def test_the_last_partition_with_a_worker_cannot_be_reserved(
    database: asyncpg.Connection, log: Log
) -> None:
    await log.create(1)
    await database.execute("INSERT INTO partitions (partition, epoch, owner) VALUES (0, 1, 'a worker')")
    await add(database, log, 1)
    with pytest.raises(CannotChange, match="partition 0 is the last one"):
        await reserve(database, log, 0)


async def test_reservations_at_the_same_moment_leave_one_partition(database_url: str, log: Log) -> None:
    await log.create(4)

    async def reserve_one(partition: int) -> bool:
        connection, own = await asyncpg.connect(database_url), PostgresLog(database_url)
        try:
            await reserve(connection, own, partition)
        except CannotChange:
            return False
        finally:
            await own.close()
            await connection.close()
        return True

    assert sorted(await asyncio.gather(*map(reserve_one, range(4)))) == [False, True, True, True]


async def test_lag_and_rate_are_counted(database: asyncpg.Connection, database_url: str, log: Log) -> None:
    await log.create(2)
    appender = log.appender(COMMANDS_TOPIC)
    await appender.append_many([(1, b"{}")] * 30)
    await appender.close()
    await database.execute("INSERT INTO partitions (partition, epoch) VALUES (1, 4)")
    reading = asyncio.create_task(read_partitions(database, log))
    await asyncio.sleep(0.3)
    other = await asyncpg.connect(database_url)
    await other.execute("UPDATE partitions SET next_offset = 20 WHERE partition = 1")
    await other.close()
    states = await reading
    assert states[0] == PartitionState(0, None, 0, 0, 0.0, 0, 0, False)
    assert (states[1].epoch, states[1].lag) == (4, 10)
    assert 10 < states[1].decided_per_s <= 20
    assert [line.split()[:4] for line in table(states)] == [
        ["partition", "owner", "epoch", "lag"],
        ["0", "–", "0", "0"],
        ["1", "–", "4", "10"],
    ]


@pytest.mark.parametrize(
    "arguments", [["add", "-1"], ["add", "0"], ["add", "many"], ["reserve", "-1"], ["release", "1e3"]]
)
def test_wrong_usage_is_one_line_with_status_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["partitions", *arguments])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert repr(arguments[1]) in done.stderr


def test_the_command_says_what_it_did_or_why_it_did_not(database_url: str) -> None:
    def aisle(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "ops", "partitions", *arguments],
            env=os.environ | {"AISLE_DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    async def create() -> None:
        log, connection = PostgresLog(database_url), await asyncpg.connect(database_url)
        await log.create(2)
        await bind_log(connection, log)
        await connection.close()
        await log.close()

    asyncio.run(create())
    assert aisle("add", "9999") == (
        1, "",
        "aisle: a number from 1 to 4094 is wanted: this log has 2 partitions, the most are 4096\n",
    )  # fmt: skip
    status, out, _ = aisle("add", "1")
    assert (status, out) == (
        0,
        "Partition 2 is added, without a seat worker: it gets new shows once it has one.\n",
    )
    assert aisle("reserve", "2")[0] == 0
    assert aisle("reserve", "2") == (1, "", "aisle: partition 2 is reserved already\n")
    shown = msgspec.json.decode(aisle("--json")[1], type=list[PartitionState])
    assert [(one.partition, one.reserved) for one in shown] == [(0, False), (1, False), (2, True)]
