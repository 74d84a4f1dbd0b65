"""Fills a home with bookings through its own log and seat worker, without a gateway.

All rows of a booking exist and are consistent: `aisle verify` can decide all of it again. E-mails count as sent and
the figures of the reports are aggregated, as in a home that has run for long.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from gateway.catalogue.new_shows import NewShow, Placed, insert_show
from gateway.catalogue.zones import read_zones
from gateway.reports.figures import ReportFigures
from loadtest.bench.homes import environment_of
from loadtest.bench.processes import end_with_parent
from loadtest.client import SetupError
from loadtest.instance import start_kafka
from notifier.deliveries import Deliveries
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.logs import bound_log
from ops.migrations import migrate
from runtime.log import Appender, Log
from runtime.settings import read_settings
from schemas.commands import BookSeats
from schemas.ids import keyed_command_id, new_booking_id
from schemas.layout import Money, numbered
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC, encode

SEATS_PER_SHOW = 5_000
CUSTOMERS = 200_000
_COMMANDS_PER_APPEND = 2_000
"""Commands per append; up to `_APPENDS` appends run at once."""
_APPENDS = 8
_STALLED_S = 60.0
_VACUUM_S = 1_800.0

_ADD_MOVIE = """
    INSERT INTO movies (title, duration_minutes, language) VALUES ('The Long Queue', 90, 'en') RETURNING movie_id"""
_DECIDED = "SELECT coalesce(sum(next_offset), 0)::bigint FROM partitions"
_BOOKINGS = "SELECT count(*) FROM bookings WHERE status = 'confirmed'"


async def sell(home: Path, bookings: int, *, kafka: bool) -> None:
    """Sells `bookings` seats, one per booking, in a new home. Raises SetupError when the worker stalls."""
    environment = environment_of(home)
    async with AsyncExitStack() as stack:
        if kafka:
            environment["AISLE_KAFKA"] = await stack.enter_async_context(start_kafka(home, environment))
        settings = read_settings({k: v for k, v in environment.items() if k.startswith("AISLE_")})
        postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
        stack.enter_context(run_servers(postgres, redis))
        await migrate(postgres.url)
        log = await stack.enter_async_context(bound_log(settings, postgres.url, create=True))
        pool = await stack.enter_async_context(asyncpg.create_pool(postgres.url, min_size=1, max_size=2))
        environment |= {"AISLE_DATABASE_URL": postgres.url, "AISLE_REDIS_URL": redis.url}
        async with _seat_worker(home, environment):
            await _sell(pool, log, bookings)
        await _settle(pool, log)


@asynccontextmanager
async def _seat_worker(home: Path, environment: Mapping[str, str]) -> AsyncIterator[None]:
    with (home / "bench-selling.out").open("wb") as output:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "seat_workers",
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=end_with_parent,
            process_group=0,
        )
    try:
        yield
    finally:
        if worker.returncode is None:
            worker.terminate()
        await worker.wait()


async def _sell(pool: asyncpg.Pool, log: Log, bookings: int) -> None:
    partitions = sorted(await log.bounds(COMMANDS_TOPIC))
    appender = log.appender(COMMANDS_TOPIC)
    try:
        async with pool.acquire() as connection:
            movie_id = await connection.fetchval(_ADD_MOVIE)
            count = -(-bookings // SEATS_PER_SHOW)
            shows = [await insert_show(connection, _show(movie_id, n), partitions) for n in range(count)]
        opened = await appender.append_many([(show.partition, encode(show.command)) for show in shows])
        await _append(appender, _bookings(shows, bookings))
        await _until_decided(pool, len(opened) + bookings)
    finally:
        await appender.close()
    confirmed = await pool.fetchval(_BOOKINGS)
    if confirmed != bookings:
        raise SetupError(f"of {bookings:,} bookings {confirmed:,} were confirmed")


def _show(movie_id: int, number: int) -> NewShow:
    return NewShow(
        movie_id=movie_id,
        screen_name=f"Screen {number + 1}",
        starts_at=(datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0),
        timezone="UTC",
        layout=numbered(SEATS_PER_SHOW, Money(1250, "EUR")),
        seats_per_customer=SEATS_PER_SHOW,
    )


def _bookings(shows: list[Placed], count: int) -> Iterator[tuple[int, bytes]]:
    """Commands with their partitions: one seat each, shows and customers in rotation."""
    key, now_ms = secrets.token_hex(8), int(time.time() * 1000)
    for number in range(count):
        turn, show = divmod(number, len(shows))
        show_id, user_id = shows[show].command.show_id, 1_000_000 + number % CUSTOMERS
        command = BookSeats(
            command_id=keyed_command_id(user_id, f"{key}-{number}"),
            show_id=show_id,
            user_id=user_id,
            booking_id=new_booking_id(show_id, now_ms + number // 10, secrets.randbits(42)),
            seats=(str(turn + 1),),
        )
        yield shows[show].partition, encode(command)


async def _append(appender: Appender, records: Iterator[tuple[int, bytes]]) -> None:
    under_way: set[asyncio.Task[list[int]]] = set()
    while portion := list(islice(records, _COMMANDS_PER_APPEND)):
        under_way.add(asyncio.create_task(appender.append_many(portion)))
        if len(under_way) == _APPENDS:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
    await asyncio.gather(*under_way)


async def _until_decided(pool: asyncpg.Pool, commands: int) -> None:
    decided, moved_at = -1, time.monotonic()
    while decided < commands:
        await asyncio.sleep(0.25)
        now: int = await pool.fetchval(_DECIDED)
        if now > decided:
            decided, moved_at = now, time.monotonic()
        elif time.monotonic() > moved_at + _STALLED_S:
            raise SetupError(f"the seat worker has decided {decided:,} of {commands:,} commands and no more")


async def _settle(pool: asyncpg.Pool, log: Log) -> None:
    """Finishes the background work of the sales, so that it does not run during the measurement."""
    read = {partition: end for partition, (_, end) in (await log.bounds(EVENTS_TOPIC)).items()}
    await Deliveries(pool, "bench").record([], read)
    figures = ReportFigures(pool, await read_zones(pool, "UTC"))
    while await figures.aggregate():
        pass
    connection: Any
    async with pool.acquire() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=_VACUUM_S)
