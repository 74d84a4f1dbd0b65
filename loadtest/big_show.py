"""`python -m loadtest.big_show`: loading time of a show of 100,000 seats, sold one by one, in a seat worker.

It runs on a new PostgreSQL, and also prints the longest time for which the event loop was blocked.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import typer
import uvloop

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.migrations import migrate
from runtime.postgres import connect
from runtime.process import settle_gc
from schemas.commands import CloseShow
from schemas.ids import new_booking_id
from schemas.layout import Money, encode_layout, layout_digest, numbered
from seat_workers.ledger import Ledger
from seat_workers.show_cache import ShowCache

SEATS = 100_000
SHOW, PARTITION = 7, 0
ROUNDS = 5
_TICK_S = 0.001

_SHOW_SQL = """
INSERT INTO show_states (show_id, partition, status, version, available, layout_id, layout_digest, starts_ms,
                         seats_per_customer)
VALUES ($1, $2, 'open', 5, 0, 1, $3, 99999999999999, 10)
"""


async def fill(connection: asyncpg.Connection, dice: random.Random) -> None:
    """Inserts a sold-out show with one booking per seat, each of another customer."""
    body = encode_layout(numbered(SEATS, Money(1000, "EUR")))
    digest = layout_digest(body)
    await connection.execute(
        "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, $1, $2, $3)",
        digest,
        SEATS,
        body,
    )
    await connection.execute(_SHOW_SQL, SHOW, PARTITION, digest)
    ids = [new_booking_id(SHOW, 1_700_000_000_000 + n, dice.getrandbits(42)) for n in range(SEATS)]
    seats = dice.sample(range(SEATS), SEATS)
    bookings = [
        (ids[n], SHOW, 1 + n, "confirmed", [str(seat + 1)], 1000, "EUR", 1_700_000_000_000 + n, PARTITION, n)
        for n, seat in enumerate(seats)
    ]
    columns = "booking_id show_id user_id status seats total currency created_ms partition log_offset"
    await connection.copy_records_to_table("bookings", records=bookings, columns=columns.split())
    claims = [(SHOW, seat, b"s", booking_id) for seat, booking_id in zip(seats, ids, strict=True)]
    await connection.copy_records_to_table(
        "claims", records=claims, columns=["show_id", "seat", "state", "booking_id"]
    )
    await connection.execute("ANALYZE")


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """Durations of the turns of the event loop, in seconds."""
    durations: list[float] = []

    async def watch() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.perf_counter()
            durations.append(now - before)
            before = now

    task = asyncio.create_task(watch())
    try:
        yield durations
    finally:
        task.cancel()


async def measure(url: str) -> None:
    """Loads the show several times and prints the times."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    await fill(connection, random.Random(1))
    await connection.close()
    ledger = Ledger(lambda name: connect(url, name))
    cache = ShowCache(ledger)
    commands = [(PARTITION, CloseShow(command_id=UUID(int=1), show_id=SHOW))]
    settle_gc()
    times_s: list[float] = []
    longest: list[float] = []
    for _ in range(ROUNDS):
        cache.drop_partitions([PARTITION])
        began = time.perf_counter()
        async with stalls() as durations:
            await cache.load_for(commands)
            while cache.blocked_partitions():  # noqa: ASYNC110  as a worker does
                await asyncio.sleep(_TICK_S)
        times_s.append(time.perf_counter() - began)
        longest.append(max(durations))
        assert cache.find(PARTITION, SHOW) is not None
    await ledger.close()
    typer.echo(
        f"{SEATS:,} seats sold one by one, {ROUNDS} times: loaded in {statistics.median(times_s) * 1000:.0f} ms"
        f" ({min(times_s) * 1000:.0f}–{max(times_s) * 1000:.0f})"
        f"; event loop blocked for at most {max(longest) * 1000:.0f} ms"
    )


def main() -> None:
    """Measures the loading time on a new PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="aisle-big-") as home:
        postgres = EmbeddedPostgres(Path(home))
        with run_servers(postgres):
            uvloop.run(measure(postgres.url_of("postgres")))


if __name__ == "__main__":
    typer.run(main)
