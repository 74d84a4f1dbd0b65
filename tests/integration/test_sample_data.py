"""Sample data, loaded into a real database with a log."""

from __future__ import annotations

import time
from collections.abc import Callable

import asyncpg
import pytest

from gateway.accounts.passwords import Passwords
from ops.first_start import DEMO_PASSWORD, start_empty
from ops.migrations import read_migrations
from ops.sample.data import load
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


async def usernames(database: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await database.fetch("SELECT username FROM users ORDER BY user_id")]


async def test_an_empty_instance_has_the_user_admin_only(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    empty = settings(sample_data=False, admin_password="a given password", staff_password="another password")
    data = await load(database_url, log, settings=empty)
    assert not data.sample_data
    assert data.users == {"admin"}
    assert (data.admin_password, data.staff_password) == ("a given password", None)
    assert (data.show_id, data.seats) == (None, ())
    assert await usernames(database) == ["admin"]
    assert await database.fetchval("SELECT role FROM users") == "admin"
    for table in ("movies", "shows", "layouts"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await records(log) == []


@pytest.mark.parametrize("first", [True, False])
async def test_the_setting_counts_at_the_first_start_only(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log, first: bool
) -> None:
    await load(database_url, log, settings=settings(sample_data=first))
    before = [
        await database.fetchval(f"SELECT count(*) FROM {table}") for table in ("users", "movies", "shows")
    ]
    data = await load(database_url, log, settings=settings(sample_data=not first))
    assert data.sample_data is first
    after = [
        await database.fetchval(f"SELECT count(*) FROM {table}") for table in ("users", "movies", "shows")
    ]
    assert after == before


async def test_the_first_start_of_an_empty_instance_may_be_a_migration(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    empty = settings(sample_data=False)
    made = await start_empty(database_url, empty)
    assert list(made.passwords) == ["admin"]
    assert (await start_empty(database_url, empty)).passwords == {}
    data = await load(database_url, log, settings=settings())
    assert (data.sample_data, data.admin_password) == (False, None)
    assert await usernames(database) == ["admin"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET username = NULL, email = NULL, name = '', password_hash = NULL, active = false",
        "UPDATE users SET username = username || '-renamed', email = 'x' || email",
        "DELETE FROM users",
    ],
)
async def test_accounts_that_were_removed_are_not_made_again(
    settings: Callable[..., Settings],
    database_url: str,
    database: asyncpg.Connection,
    log: Log,
    change: str,
) -> None:
    await load(database_url, log, settings=settings())
    await database.execute(change)
    before = await usernames(database)
    data = await load(database_url, log, settings=settings(staff_password="staff password 2"))
    assert await usernames(database) == before
    assert (data.users, data.admin_password, data.staff_password) == (frozenset(), None, None)
    assert (data.show_id, data.seats) == (None, ())


async def test_a_deactivated_account_stays_deactivated_and_is_not_shown(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    await load(database_url, log, settings=settings())
    await database.execute("UPDATE users SET active = false WHERE username = 'demo'")
    data = await load(database_url, log, settings=settings())
    assert data.users == {"staff", "admin"}
    assert data.show_id is None, "there is nobody to book it as"
    assert not await database.fetchval("SELECT active FROM users WHERE username = 'demo'")


async def test_movies_and_shows_that_were_removed_are_not_made_again(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    await load(database_url, log, settings=settings())
    await database.execute("DELETE FROM shows")
    await database.execute("DELETE FROM movies")
    data = await load(database_url, log, settings=settings())
    assert data.show_id is None
    assert await database.fetchval("SELECT count(*) FROM movies") == 0
    assert await database.fetchval("SELECT count(*) FROM shows") == 0


async def test_a_load_that_was_interrupted_leaves_a_new_database(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log
) -> None:
    await database.execute("ALTER TABLE shows ADD CONSTRAINT interrupted CHECK (false)")
    with pytest.raises(asyncpg.CheckViolationError):
        await load(database_url, log, settings=settings())
    await database.execute("ALTER TABLE shows DROP CONSTRAINT interrupted")
    assert await usernames(database) == []
    data = await load(database_url, log, settings=settings(sample_data=False))
    assert data.users == {"admin"}
    assert data.admin_password


@pytest.mark.parametrize("used", [True, False])
async def test_a_database_of_an_earlier_release_counts_as_started_if_it_has_data(
    settings: Callable[..., Settings], database_url: str, database: asyncpg.Connection, log: Log, used: bool
) -> None:
    [migration] = [one for one in read_migrations() if one.name == "0014_first_start.sql"]
    await database.execute("DROP TABLE first_start")
    if used:  # `demo` was deleted, and the sample movies with their shows
        await database.execute(
            "INSERT INTO users (username, email) VALUES (NULL, NULL), ('ada', 'ada@a.example')"
        )
    await database.execute(migration.sql)
    data = await load(database_url, log, settings=settings())
    assert data.users == (frozenset() if used else {"demo", "staff", "admin"})
    assert await database.fetchval("SELECT count(*) > 0 FROM movies") is not used
