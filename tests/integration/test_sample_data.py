"""Sample data, loaded into a real database with a log."""

from __future__ import annotations

import time
from collections.abc import Callable

import asyncpg
import pytest

from gateway.accounts.passwords import Passwords
from ops.sample.data import DEMO_PASSWORD, load
from runtime.log import Log
from runtime.log.in_memory import MemoryLog
from runtime.settings import Settings
from schemas.commands import OpenShow
from schemas.wire import COMMANDS_TOPIC, decode_command


@pytest.fixture
async def log() -> Log:
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(4)
    return log


async def records(log: Log) -> list[tuple[int, OpenShow]]:
    found = []
    for partition, (first, end) in (await log.bounds(COMMANDS_TOPIC)).items():
        for record in await log.read(COMMANDS_TOPIC, partition, first, end - first):
            command = decode_command(record.body)
            assert isinstance(command, OpenShow)
            found.append((partition, command))
    return found


async def test_the_first_load_creates_everything_and_the_second_nothing(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    made = settings(admin_password="a given password", timezone="Europe/Berlin", currency="CHF")
    first = await load(database_url, log, settings=made)
    assert first.admin_password == "a given password"
    assert first.staff_password
    rows = await database.fetch("SELECT username, role, password_hash FROM users ORDER BY user_id")
    assert [(row["username"], row["role"]) for row in rows] == [
        ("demo", "customer"),
        ("staff", "staff"),
        ("admin", "admin"),
    ]
    passwords = Passwords()
    given = (DEMO_PASSWORD, first.staff_password, first.admin_password)
    for row, password in zip(rows, given, strict=True):
        assert await passwords.matches(row["password_hash"], password)
    passwords.close()

    shows = {row["show_id"]: row["partition"] for row in await database.fetch("SELECT * FROM shows")}
    assert len(shows) >= 40
    assert len(set(shows.values())) == 4, "all partitions have some"
    opened = await records(log)
    assert {command.show_id: partition for partition, command in opened} == shows
    assert await database.fetchval("SELECT count(*) FROM layouts") == 3
    assert first.show_id in shows
    assert len(first.seats) == 2

    # Nothing has opened the shows yet, so they are asked for again, by the same commands.
    second = await load(database_url, log, settings=made)
    assert (second.admin_password, second.staff_password) == (None, None)
    assert (second.show_id, second.seats) == (first.show_id, first.seats)
    for table, count in (("users", 3), ("movies", 12), ("layouts", 3), ("shows", len(shows))):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == count
    assert set(await records(log)) == set(opened)


async def test_more_shows_are_added_when_few_are_left(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    await load(database_url, log, settings=settings())
    await database.execute("UPDATE shows SET starts_at = starts_at - interval '6 days'")
    before = await database.fetchval("SELECT count(*) FROM shows WHERE starts_at > now()")
    data = await load(database_url, log, settings=settings())
    after = await database.fetchval("SELECT count(*) FROM shows WHERE starts_at > now()")
    assert before < 20
    assert after > 40
    assert data.show_id is not None


async def test_existing_movies_prevent_the_load_of_sample_movies(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    await database.execute("INSERT INTO movies (title, duration_minutes) VALUES ('Ours', 90)")
    data = await load(database_url, log, settings=settings())
    assert (data.show_id, data.seats) == (None, ())
    assert await database.fetchval("SELECT count(*) FROM movies") == 1
    assert await database.fetchval("SELECT count(*) FROM shows") == 0


async def test_the_example_avoids_seats_that_are_taken_and_shows_the_demo_user_has_enough_of(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    first = await load(database_url, log, settings=settings())
    await database.execute(
        "INSERT INTO claims SELECT $1, seat, 's' FROM generate_series(0, 19) seat", first.show_id
    )
    second = await load(database_url, log, settings=settings())
    assert second.show_id == first.show_id
    assert second.seats == ("K10", "K11"), "row J is full"
    await database.execute(
        "INSERT INTO bookings SELECT gen_random_uuid(), $1, user_id, 'confirmed', array_fill('x'::text, ARRAY[9]), 0,"
        " 'EUR', 0, NULL, NULL, 0, 0 FROM users WHERE username = 'demo'",
        first.show_id,
    )
    third = await load(database_url, log, settings=settings())
    assert third.show_id != first.show_id
    assert third.seats == ("J10", "J11")
