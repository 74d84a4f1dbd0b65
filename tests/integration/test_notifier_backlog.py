"""Metrics of pending e-mails, and the bounded cost of a scrape."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from notifier import deliveries as deliveries_module
from notifier.deliveries import COUNTED_EXACTLY, Deliveries, NewDelivery
from notifier.metrics import MeasuredDeliveries
from runtime import postgres

FILL = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload, status, created_at)
SELECT $1 || n, 'x', n, gen_random_uuid(), '', $2, now() - n * interval '1 millisecond' FROM generate_series(1, $3) n
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    made = await postgres.create_pool(database_url, "test", min_size=1, max_size=1)
    yield made
    await made.close()


async def test_the_backlog_has_a_count_and_the_age_of_the_oldest(
    database: asyncpg.Connection, pool: postgres.Pool
) -> None:
    subject = MeasuredDeliveries(pool, "me")
    assert (await subject.backlog()).waiting == 0
    assert (await subject.backlog()).oldest_s == 0
    await database.execute(FILL, "s", "sent", 50)
    await subject.record([NewDelivery(f"e{n}", "x", n, None, b"{}") for n in range(3)], {0: 1})
    await database.execute(
        "UPDATE deliveries SET created_at = now() - interval '1 hour' WHERE event_id = 'e1'"
    )
    backlog = await subject.backlog()
    assert (backlog.waiting, round(backlog.oldest_s)) == (3, 3600)
    # One that is put off, and due last, is the oldest still.
    for one in await subject.take_due(10):
        if one.event_id == "e1":
            await subject.defer(one, "not now")
        else:
            await subject.mark_sent(one)
    backlog = await subject.backlog()
    assert (backlog.waiting, round(backlog.oldest_s / 60)) == (1, 60)
    families = {family.name: family async for family in subject.metrics()}
    assert families["aisle_emails_waiting"].samples[0].value == 1
    assert 3600 <= families["aisle_emails_oldest_age_seconds"].samples[0].value < 3700


async def test_a_large_backlog_is_estimated(database: asyncpg.Connection, pool: postgres.Pool) -> None:
    subject = Deliveries(pool, "me")
    await database.execute(FILL, "d", "due", COUNTED_EXACTLY)
    assert (await subject.backlog()).waiting == COUNTED_EXACTLY
    await database.execute(FILL, "m", "due", 20_000)
    await database.execute("ANALYZE deliveries")
    assert (await subject.backlog()).waiting == pytest.approx(30_000, rel=0.05)


async def test_a_scrape_reads_a_bounded_part_of_an_index(database: asyncpg.Connection) -> None:
    await database.execute(FILL, "s", "sent", 30_000)
    await database.execute(FILL, "d", "due", 60_000)
    await database.execute("VACUUM ANALYZE deliveries")
    plan = "\n".join(row[0] for row in await database.fetch("EXPLAIN " + deliveries_module._BACKLOG))
    assert "Seq Scan on deliveries" not in plan
    assert plan.count("using deliveries_waiting") == 2, plan


@pytest.mark.parametrize("waiting", [0, 20_000], ids=["none waits", "many wait"])
async def test_earlier_emails_of_a_booking_are_found_by_that_booking(
    database: asyncpg.Connection, waiting: int
) -> None:
    """Also where statistics know of none that wait."""
    await database.execute(FILL, "s", "sent", 30_000)
    await database.execute(FILL, "d", "due", waiting)
    await database.execute("VACUUM ANALYZE deliveries")
    sql = deliveries_module._TAKE_DUE.replace("$1", "'me'").replace("$2", "100").replace("$3", "30")
    plan = "\n".join(row[0] for row in await database.fetch("EXPLAIN " + sql))
    assert plan.count("using deliveries_due on deliveries d") == 1, plan
    found = plan.partition("using deliveries_due_booking on deliveries e")[2]
    condition = found.partition("Index Cond: ")[2].partition("\n")[0]
    assert condition == "((booking_id = d.booking_id) AND (delivery_id < d.delivery_id))", plan
