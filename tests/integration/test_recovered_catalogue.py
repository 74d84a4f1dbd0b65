"""Catalogue rows that a log carries and a database lacks: stored once, with ids that nothing new gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from gateway.catalogue.carried_shows import store_carried, with_catalogue
from gateway.catalogue.new_shows import NewShow, Placed, insert_show
from ops.backup.catalogue import recover_catalogue
from runtime.log import WrongLog
from runtime.log.in_memory import MemoryLog
from schemas.commands import BookSeats, OpenShow
from schemas.ids import fresh_command_id, new_booking_id
from schemas.layout import Money, numbered
from schemas.wire import COMMANDS_TOPIC, decode_command, encode
from seat_workers.ledger import Ledger
from seat_workers.show_cache import ShowCache

_EVERYTHING = (
    "SELECT * FROM shows JOIN movies USING (movie_id) JOIN layouts USING (layout_id) ORDER BY show_id"
)
_FORGET = "DELETE FROM shows; DELETE FROM layouts; DELETE FROM movies"


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog(lambda: 0)
    await log.create(3)
    yield log
    await log.close()


async def _show(database: asyncpg.Connection) -> Placed:
    movie = await database.fetchval(
        "INSERT INTO movies (title, duration_minutes, genres) VALUES ('Naïve „Film“', 90, '{Drama,War}')"
        " RETURNING movie_id"
    )
    new = NewShow(
        movie_id=movie,
        screen_name="Saal Ä",
        starts_at=datetime(2099, 1, 1, 20, 0, 0, 123_000, tzinfo=UTC),
        timezone="Europe/Berlin",
        layout=numbered(50, Money(1250, "EUR")),
        seats_per_customer=7,
        sales_start_at=datetime(2026, 1, 1, tzinfo=UTC),
        request_digest=b"\x00\xff",
    )
    return await with_catalogue(database, await insert_show(database, new, [2]))


async def _append(log: MemoryLog, *commands: tuple[int, BookSeats | OpenShow]) -> None:
    appender = log.appender(COMMANDS_TOPIC)
    await appender.append_many([(partition, encode(command)) for partition, command in commands])


def _booking(show: int, user: int) -> BookSeats:
    return BookSeats(
        command_id=fresh_command_id(0, user),
        show_id=show,
        user_id=user,
        booking_id=new_booking_id(show, 0, user),
        seats=("1",),
    )


async def test_lost_rows_come_back_as_they_were(database: asyncpg.Connection, log: MemoryLog) -> None:
    show = await _show(database)
    before = [dict(row) for row in await database.fetch(_EVERYTHING)]
    await database.execute(_FORGET)
    await _append(log, (2, show.command), (0, _booking(show.command.show_id, 4711)))
    recovered = await recover_catalogue(database, log)
    assert (recovered.commands, recovered.shows) == (2, 1)
    after = [dict(row) for row in await database.fetch(_EVERYTHING)]
    for rows in (before, after):
        del rows[0]["created_at"]
    assert after == before


async def test_recovery_that_is_repeated_changes_nothing(
    database: asyncpg.Connection, log: MemoryLog
) -> None:
    show = await _show(database)
    await _append(log, (2, show.command), (0, _booking(show.command.show_id, 4711)))
    first = await recover_catalogue(database, log)
    assert first.first_new_user is not None
    again = await recover_catalogue(database, log)
    assert (again.shows, again.first_new_user) == (0, None)


async def test_no_new_row_gets_an_id_that_the_log_knows(database: asyncpg.Connection, log: MemoryLog) -> None:
    show = await _show(database)
    far = msgspec.structs.replace(show.command, show_id=show.command.show_id + 500)
    await _append(log, (1, far), (0, _booking(far.show_id, 90_000_000)))
    recovered = await recover_catalogue(database, log)
    user = await database.fetchval(
        "INSERT INTO users (username, email, password_hash) VALUES ('new', 'new@example.org', 'x') RETURNING user_id"
    )
    assert user == recovered.first_new_user
    assert user > 90_000_000
    assert (await _show(database)).command.show_id > far.show_id


async def test_decided_commands_are_not_read_again(database: asyncpg.Connection, log: MemoryLog) -> None:
    show = await _show(database)
    await _append(log, (0, _booking(show.command.show_id, 90_000_000)))
    await database.execute("INSERT INTO partitions (partition, epoch, next_offset) VALUES (0, 1, 1)")
    recovered = await recover_catalogue(database, log)
    assert (recovered.commands, recovered.first_new_user) == (0, None)


async def test_opening_that_carries_another_layout_is_refused(database: asyncpg.Connection) -> None:
    show = await _show(database)
    wrong = msgspec.structs.replace(show.command, layout_digest="0" * 64)
    with pytest.raises(ValueError, match="carries another layout"):
        await store_carried(database, 2, wrong)


async def test_worker_stops_at_a_show_whose_layout_only_the_log_has(
    database: asyncpg.Connection, database_url: str
) -> None:
    show = await _show(database)
    await database.execute(_FORGET)
    ledger = Ledger(lambda _: asyncpg.connect(database_url))
    try:
        with pytest.raises(WrongLog, match="aisle migrate"):
            await ShowCache(ledger).load_for([(2, show.command)])
    finally:
        await ledger.close()


async def test_opening_of_an_earlier_release_carries_nothing_and_is_decided_as_before(
    database: asyncpg.Connection,
) -> None:
    show = await _show(database)
    plain = msgspec.structs.replace(show.command, catalogue=None)
    assert b"catalogue" not in encode(plain)
    assert decode_command(encode(show.command)) == show.command
    assert not await store_carried(database, 2, plain)
