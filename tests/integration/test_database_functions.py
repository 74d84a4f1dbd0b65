"""A release calls only its own functions, and processes of the previous release work with the migrated schema."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from gateway.catalogue import movies
from gateway.catalogue.zones import read_zones
from gateway.reports import figures
from ops.migrations import migrate, read_migrations
from runtime import postgres
from runtime.log import postgres_appender
from runtime.log.opening import bind_log
from runtime.log.postgres import PostgresLog
from schemas.commands import BookSeats, OpenShow
from schemas.ids import new_booking_id
from schemas.layout import Money, encode_layout, layout_digest, numbered
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC, decode_decision, encode
from seat_workers import ledger, queries
from seat_workers.batch import Batch, arguments
from seat_workers.publisher import Publisher
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker
from tests.conftest import Servers
from tests.integration.worker_environment import NoRedis

_UNVERSIONED = """
SELECT proname::text, oid::regprocedure::text FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND proname !~ '_v[1-9][0-9]*$' ORDER BY 1"""


_BEFORE = ("commit_batch", "append_records", "fold_text", "report_moves")
"""The functions of earlier releases: first by these names, then with the suffix `_v1`."""

_PLACES = ", ".join(f"${n}" for n in range(1, 57))
_ADDED = {"code": 19, "release_ms": 20, "paid": 32, "hold_ms": 39, "seats": 40, "total": 41, "payment": 53}
"""The arguments of `commit_batch_v2` that `commit_batch_v1` does not have."""


async def test_a_release_works_without_the_functions_that_have_no_version(
    database: asyncpg.Connection, database_url: str
) -> None:
    # Without CASCADE: no column, no trigger and no view rests on them either.
    for _, signature in await database.fetch(_UNVERSIONED):
        await database.execute(f"DROP FUNCTION {signature}")
    await _sell_and_add_up(database, database_url)
    await database.fetch("SELECT * FROM report_sales_now")
    assert await database.fetchval("SELECT changes FROM catalogue_changes") > 0


@pytest.mark.parametrize("suffix", ["", "_v1"])
async def test_processes_of_earlier_releases_go_on_by_the_names_that_they_know(
    database: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    for module, name in (
        (queries, "COMMIT"),
        (postgres_appender, "APPEND"),
        (figures, "_AGGREGATE_SQL"),
        (movies, "_LIST_SQL"),
    ):
        text: str = getattr(module, name)
        earlier, calls = re.subn(rf"\b({'|'.join(_BEFORE)})_v[12]\(", rf"\1{suffix}(", text)
        assert calls
        monkeypatch.setattr(module, name, earlier)
    monkeypatch.setattr(queries, "COMMIT", f"SELECT commit_batch{suffix}({_PLACES})")
    monkeypatch.setattr(ledger, "arguments", _arguments_v1)
    await _sell_and_add_up(database, database_url)
    assert await database.fetchrow("SELECT DISTINCT hold_ms, paid FROM bookings") == (None, False)
    assert await database.fetchval("SELECT payment FROM show_states") == "none"


async def test_statements_prepared_before_the_migration_work_after_it(servers: Servers) -> None:
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(servers.postgres.url_of("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    url = servers.postgres.url_of(name)
    try:
        await migrate(url, read_migrations()[:9])
        log = PostgresLog(url)
        await log.create(1)
        old = await asyncpg.connect(url, server_settings={"plan_cache_mode": "force_generic_plan"})
        append = await old.prepare("SELECT append_records($1, $2, $3, $4, $5, $6, $7)")
        fold = await old.prepare("SELECT fold_text($1)")
        commit = await old.prepare(f"SELECT commit_batch({_PLACES})")
        seen = []
        for _ in range(2):
            offsets = await append.fetchval(COMMANDS_TOPIC, True, [0], [1], [1], [0], [b"{}"])
            seen.append((offsets, await fold.fetchval("Ærø")))
            with pytest.raises(asyncpg.PostgresError) as refused:
                await commit.fetchval(*_fenced())
            assert refused.value.sqlstate == "AI001"
            await migrate(url)
        assert seen == [([0], "aero"), ([1], "aero")]
        await old.close()
        await log.close()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.mark.parametrize("name", ["commit_batch", "commit_batch_v1"])
async def test_a_fenced_commit_says_so_by_each_name(database: asyncpg.Connection, name: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await database.fetchval(f"SELECT {name}({_PLACES})", *_fenced())
    assert refused.value.sqlstate == "AI001"
    with pytest.raises(asyncpg.PostgresError) as refused:
        await database.fetchval(queries.COMMIT, *_fenced(56 + len(_ADDED)))
    assert refused.value.sqlstate == "AI001"


async def test_the_added_arguments_of_a_commit_are_where_their_names_say(
    database: asyncpg.Connection,
) -> None:
    v1, v2 = [
        await database.fetchval(
            "SELECT proargnames FROM pg_proc WHERE proname = $1", f"commit_batch_{version}"
        )
        for version in ("v1", "v2")
    ]
    assert [one for n, one in enumerate(v2) if n not in _ADDED.values()] == v1
    assert [v2[n] for n in _ADDED.values()] == [
        *("c_code", "c_release", "n_paid", "u_hold", "u_seats", "u_total", "o_payment")
    ]


def _arguments_v1(batch: Batch) -> list[Any]:
    """The arguments of `commit_batch_v1`, where an array without a value is empty."""
    return [() if one is None else one for n, one in enumerate(arguments(batch)) if n not in _ADDED.values()]


def _fenced(count: int = 56) -> list[Any]:
    """Arguments of a commit to a partition that is not ours."""
    given: list[Any] = [[] for _ in range(count)]
    given[:6] = [[0], [1], [0], [1], [1], [1]]
    given[12] = 1
    return given


async def _sell_and_add_up(database: Any, url: str) -> None:
    """Appends, decides, commits, publishes, aggregates figures and searches, as processes do."""
    log = PostgresLog(url)
    await log.create(1)
    await bind_log(database, log)
    body = encode_layout(numbered(10, Money(1000, "EUR")))
    digest = layout_digest(body)
    await database.execute("INSERT INTO movies (movie_id, title, duration_minutes) VALUES (1, 'Ærø', 90)")
    await database.execute(
        "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, $1, 10, $2)", digest, body
    )
    booking = BookSeats(
        command_id=uuid4(), show_id=7, user_id=3, booking_id=new_booking_id(7, 1, 1), seats=("1", "2")
    )
    commands = (
        OpenShow(
            command_id=uuid4(),
            show_id=7,
            layout_id=1,
            layout_digest=digest,
            starts_ms=2**52,
            seats_per_customer=5,
        ),
        booking,
        booking,
    )
    appender, events = log.appender(COMMANDS_TOPIC), log.appender(EVENTS_TOPIC)
    made = ledger.Ledger(lambda name: asyncpg.connect(url, server_settings={"application_name": name}))
    worker = SeatWorker(
        made,
        Publisher(NoRedis(), events),
        Timers(made, appender, lambda: 0, lambda _: uuid4()),
        "test",
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(log.reader(COMMANDS_TOPIC, "workers", worker), stop))
    await appender.append_many([(0, encode(command)) for command in commands])
    async with asyncio.timeout(30):
        while await database.fetchval("SELECT count(*) FROM decisions") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    stop.set()
    await running
    for closing in (appender, events, made, log):
        await closing.close()
    answers = [
        decode_decision(row[0])
        for row in await database.fetch("SELECT answer FROM decisions ORDER BY log_offset")
    ]
    assert [answer.reason for answer in answers] == [None, None, None]
    assert answers[2].repeats is not None
    assert await database.fetchval("SELECT next_offset FROM log_heads WHERE topic = $1", EVENTS_TOPIC) == 2
    pool = await postgres.create_pool(url, "test", min_size=1, max_size=1)
    await figures.ReportFigures(pool, await read_zones(pool, "UTC")).catch_up()
    await pool.close()
    assert await database.fetchval("SELECT sum(gross) FROM report_sales") == 2000
    found = await database.fetch(movies._LIST_SQL, None, None, "aero", None, None, None, 10, [], "UTC")
    assert [row["movie_id"] for row in found] == [1]
