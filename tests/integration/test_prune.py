"""`aisle prune` drops what is old, and what is kept can still be verified, explained and rebuilt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit.explain import NoSuchPosition, explain
from ops.audit.rebuild import rebuild
from ops.audit.verify import verify
from ops.retention.parts import DAY_MS, parts_of
from ops.retention.prune import Prune, open_prune
from runtime.log.in_memory import MemoryLog
from runtime.process import CannotStart
from schemas.commands import BlockSeats, CheckIn, CloseShow, HoldSeats
from schemas.events import Reason
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC
from tests.integration.worker_environment import WorkerEnvironment

KEEP_S = 90 * 24 * 3600


class Clock:
    """The log's clock, set by the test."""

    def __init__(self) -> None:
        self.today_ms = int(time.time() * 1000)
        self.now_ms = self.today_ms

    def __call__(self) -> int:
        return self.now_ms

    def days_ago(self, days: float) -> None:
        self.now_ms = self.today_ms - int(days * DAY_MS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def environment(database_url: str, clock: Clock) -> AsyncIterator[WorkerEnvironment]:
    """A show that has been on sale for 120 days, another that was over long ago, and parts of both times."""
    log = MemoryLog(clock)
    await log.create(2)
    environment = WorkerEnvironment(database_url, log)
    environment.clock_ms = clock  # type: ignore[method-assign]
    await environment.open()
    clock.days_ago(120)
    environment.put(environment.open_show(7))
    environment.put(environment.open_show(8), partition=1)
    environment.put(environment.book(8, "1", "2"), partition=1)
    environment.put(by_staff(CloseShow, show_id=8), partition=1)
    booked = environment.book(7, "1", "2")
    environment.put(booked)
    environment.put(by_staff(CheckIn, booking_id=booked.booking_id, seat="2"))
    gone = environment.book(7, "3")
    environment.put(gone)
    environment.put(environment.cancel(gone))
    wanted = environment.book(7, "4")
    environment.put(HoldSeats(**msgspec.structs.asdict(wanted), hold_ms=60_000))
    environment.put(environment.cancel(wanted))
    environment.put(by_staff(BlockSeats, seats=("50",)))
    environment.put(by_staff(BlockSeats, seats=("51", "52"), code="press", release_ms=2**52))
    environment.put(b"rubbish")
    await settled(environment)
    await pruned(environment)
    clock.days_ago(10)
    environment.put(environment.book(7, "1", user_id=2))
    environment.put(environment.book(7, "3", "5", user_id=2))
    environment.put(environment.book(7, "50", user_id=2))
    environment.put(environment.book(8, "3"), partition=1)
    await settled(environment)
    clock.days_ago(0)
    yield environment
    await environment.db.close()


def by_staff(kind: type[Any], **fields: Any) -> Any:
    return kind(**{"command_id": uuid4(), "show_id": 7, "user_id": 3, "staff": True} | fields)


async def settled(environment: WorkerEnvironment) -> None:
    """Everything that was put is decided, and read by the notifier and the reports."""
    async with environment.working():
        for partition, (_, end) in (await environment.log.bounds(COMMANDS_TOPIC)).items():
            if end:
                await environment.decision(Position(partition, end - 1))
    await read_all(environment)


async def read_all(environment: WorkerEnvironment) -> None:
    for partition, (_, end) in (await environment.log.bounds(EVENTS_TOPIC)).items():
        await environment.db.execute(
            "INSERT INTO consumer_offsets VALUES ('notifier', $1, $2), ('webhooks', $1, $2)"
            " ON CONFLICT (consumer, partition) DO UPDATE SET next_offset = excluded.next_offset",
            *(partition, end),
        )
    await environment.db.execute(
        "INSERT INTO report_progress SELECT partition, next_offset FROM partitions"
        " ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset"
    )


async def pruned(environment: WorkerEnvironment, keep_s: int = KEEP_S, *, dry_run: bool = False) -> list[str]:
    """Runs prune at the clock's time, and returns its lines."""
    async with open_prune(environment.database_url, environment.log, keep_s) as opened:
        run = Prune(opened._database, opened._log, keep_s, environment.clock_ms())
        await (run.look() if dry_run else run.run())
        return run.lines


async def decided(environment: WorkerEnvironment) -> list[Position]:
    rows = await environment.db.fetch("SELECT partition, log_offset FROM decisions ORDER BY 1, 2")
    return [Position(*row) for row in rows]


OLD = [Position(0, offset) for offset in range(10)] + [Position(1, offset) for offset in range(3)]
NEW = [Position(0, 10), Position(0, 11), Position(0, 12), Position(1, 3)]


async def test_old_decisions_are_dropped_and_the_rest_verifies(environment: WorkerEnvironment) -> None:
    assert set(await decided(environment)) == {*OLD, *NEW}
    bookings = await environment.db.fetch("SELECT * FROM bookings ORDER BY booking_id")
    lines = await pruned(environment)
    assert await decided(environment) == NEW
    assert [line for line in lines if line.startswith("Dropped decisions_until_")], lines
    for from_start in (False, True):
        findings = await verify(environment.database_url, environment.log, from_start=from_start)
        assert (findings.differences, findings.commands, findings.shows) == ([], 4, 2)
        assert "13 commands before" in findings.summary()
        assert "are pruned" in findings.summary()
    assert await environment.db.fetch("SELECT * FROM bookings ORDER BY booking_id") == bookings


async def test_selling_goes_on_after_a_prune_and_a_second_one_carries_on(
    environment: WorkerEnvironment, clock: Clock
) -> None:
    await pruned(environment)
    clock.days_ago(-85)
    refused, sold = environment.put(environment.book(7, "2", "6")), environment.put(environment.book(7, "6"))
    await settled(environment)
    assert (await environment.decision(refused)).reason is Reason.SEAT_TAKEN
    assert (await environment.decision(sold)).reason is None
    clock.days_ago(-100)
    lines = await pruned(environment)
    assert any(line.startswith("Dropped decisions_until_") for line in lines), lines
    assert await decided(environment) == [refused, sold]
    for from_start in (False, True):
        findings = await verify(environment.database_url, environment.log, from_start=from_start)
        assert (findings.differences, findings.commands, findings.shows) == ([], 2, 2)


async def test_an_older_checkpoint_of_verify_is_no_start_any_more(environment: WorkerEnvironment) -> None:
    findings = await verify(environment.database_url, environment.log, checkpoint=True)
    assert findings.differences == []
    await environment.db.execute("UPDATE verify_checkpoints SET next_offset = 2")
    await pruned(environment)
    findings = await verify(environment.database_url, environment.log)
    assert (findings.differences, findings.commands, findings.checkpoint_at) == ([], 4, None)


async def test_a_pruned_position_is_explained_as_such_and_later_ones_by_what_was_carried(
    environment: WorkerEnvironment,
) -> None:
    before = [await explained(environment, position) for position in NEW]
    await pruned(environment)
    with pytest.raises(
        NoSuchPosition, match=r"0-3 is pruned: decisions before .* UTC are not kept; .* from 10 on"
    ):
        await explained(environment, Position(0, 3))
    after = [await explained(environment, position) for position in NEW]
    taken, free, blocked, closed = after
    assert "1 was taken at 0-2, 8 before this, by another booking" in taken
    assert free == before[1]
    assert "50 was blocked" in blocked
    assert "by a command that is pruned" in blocked
    assert "the show was closed" in closed


async def explained(environment: WorkerEnvironment, position: Position) -> str:
    return "\n".join(await explain(environment.database_url, environment.log, position))


@pytest.mark.parametrize("show_id", [7, 8])
async def test_a_show_is_rebuilt_from_what_was_carried(environment: WorkerEnvironment, show_id: int) -> None:
    await pruned(environment)
    for table in await rebuild(environment.database_url, show_id, "rebuilt"):
        assert (table.only_stored, table.only_rebuilt) == (0, 0), table
        assert table.stored == table.rebuilt > 0


async def test_a_repeat_of_a_pruned_command_is_taken_as_it_is(
    environment: WorkerEnvironment, clock: Clock
) -> None:
    await pruned(environment)
    clock.days_ago(-1)
    first = environment.book(7, "20")
    environment.put(first)
    await settled(environment)
    [boundary] = [
        part.to_ms for part in await parts_of(environment.db, "decisions") if part.to_ms > clock.now_ms
    ][:1]
    clock.now_ms = boundary - 1000
    second = environment.book(7, "21")
    environment.put(second)
    await settled(environment)
    clock.now_ms = boundary + 1000
    repeated = environment.put(second)
    reused = environment.put(environment.book(7, "22", command_id=second.command_id))
    await settled(environment)
    assert (await environment.decision(reused)).reason is Reason.KEY_REUSED
    clock.now_ms = boundary + 91 * DAY_MS
    await pruned(environment)
    assert await decided(environment) == [repeated, reused]
    findings = await verify(environment.database_url, environment.log)
    assert (findings.differences, findings.repeats_of_pruned) == ([], 2)
    assert f"{first}" not in await explained(environment, repeated)
    assert "is pruned" in await explained(environment, repeated)


@pytest.mark.parametrize(
    ("lagging", "reason"),
    [
        (
            "DELETE FROM consumer_offsets WHERE partition = 1",
            "the notifier has read the events of partition 1",
        ),
        ("UPDATE report_progress SET next_offset = 3 WHERE partition = 0", "reports have read it"),
        ("DELETE FROM report_progress WHERE partition = 1", "reports have read it"),
        ("UPDATE partitions SET published_offset = 2 WHERE partition = 0", "its events are published"),
        ("UPDATE partitions SET next_offset = 5, last_ms = 0 WHERE partition = 0", "is decided up to"),
        (
            "INSERT INTO show_requests (command_id, kind, show_id, user_id, asked_at)"
            " VALUES (gen_random_uuid(), 'ChangeShow', 7, 3, now() - interval '119 days')",
            "is not in the catalogue yet",
        ),
    ],
)
async def test_what_was_not_read_yet_is_kept(
    environment: WorkerEnvironment, lagging: str, reason: str
) -> None:
    await environment.db.execute(lagging)
    lines = await pruned(environment)
    assert set(await decided(environment)) == {*OLD, *NEW}
    assert any(reason in line for line in lines), lines
    assert not any(line.startswith("Dropped") for line in lines)


async def test_a_dry_run_shows_the_same_and_changes_nothing(environment: WorkerEnvironment) -> None:
    state = await environment.db.fetch("SELECT oid, relname FROM pg_class ORDER BY oid")
    ids = await environment.db.fetchval("SELECT count(*) FROM command_ids")
    lines = await pruned(environment, dry_run=True)
    would = [line.split()[2] for line in lines if line.startswith("Would drop")]
    assert await environment.db.fetch("SELECT oid, relname FROM pg_class ORDER BY oid") == state
    assert await environment.db.fetchval("SELECT count(*) FROM command_ids") == ids
    assert f"Would delete {ids} command ids" in "\n".join(lines)
    lines = await pruned(environment)
    assert would == [line.split()[1] for line in lines if line.startswith("Dropped")]
    assert len(would) == 2
    assert await environment.db.fetchval("SELECT count(*) FROM command_ids") == 0


async def test_a_difference_keeps_everything(environment: WorkerEnvironment) -> None:
    await environment.db.execute("UPDATE decisions SET answer = '{}' WHERE log_offset = 7")
    with pytest.raises(CannotStart, match="nothing was dropped: 0-7 is stored as accepted"):
        await pruned(environment)
    assert set(await decided(environment)) == {*OLD, *NEW}
    assert await environment.db.fetchval("SELECT count(*) FROM prune_checkpoints") == 0


async def test_two_prunes_do_not_run_at_once(environment: WorkerEnvironment) -> None:
    async with open_prune(environment.database_url, environment.log, KEEP_S):
        with pytest.raises(CannotStart, match="another `aisle prune` is running"):
            await pruned(environment)
    await pruned(environment)


async def test_a_long_reader_keeps_the_parts_and_is_named(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.retention.brief_locks._GIVE_UP_S", 0.5)
    reader = await environment.connect("aisle verify")
    async with reader.transaction():
        await reader.fetchval("SELECT count(*) FROM decisions")
        with pytest.raises(CannotStart, match=r"aisle verify \(pid \d+\) has been using decisions"):
            await pruned(environment)
        assert set(await decided(environment)) == {*OLD, *NEW}
    await reader.close()
    await pruned(environment)
    assert await decided(environment) == NEW


async def test_commands_are_decided_while_a_prune_runs(environment: WorkerEnvironment) -> None:
    async with environment.working():
        pruning = asyncio.create_task(pruned(environment))
        count = 0
        while not pruning.done() or count < 20:
            position = environment.put(environment.book(7, str(60 + count % 40), user_id=9))
            assert (await environment.decision(position)).reason in (None, Reason.SEAT_TAKEN)
            count += 1
        await pruning
    assert (await verify(environment.database_url, environment.log)).differences == []


async def test_log_time_ahead_of_the_clock_changes_nothing(environment: WorkerEnvironment) -> None:
    await environment.db.execute("UPDATE partitions SET last_ms = last_ms + 1000::bigint * 86400000")
    with pytest.raises(CannotStart, match="correct the clock"):
        await pruned(environment)
    assert set(await decided(environment)) == {*OLD, *NEW}


async def test_figures_of_customers_are_dropped_where_a_period_is_given(
    environment: WorkerEnvironment, clock: Clock
) -> None:
    await environment.db.execute(
        "INSERT INTO report_customer_days VALUES ('2000-01-01', 1, 'EUR', 1, 1, 1, 0, 0, 0)"
    )
    count = "SELECT count(*) FROM report_customer_days"
    for later_days, rows in ((0, 1), (900, 0)):
        clock.days_ago(-later_days)
        async with open_prune(environment.database_url, environment.log, KEEP_S) as opened:
            await Prune(opened._database, opened._log, KEEP_S, clock(), reports_s=730 * 86_400).run()
        assert await environment.db.fetchval(count) == rows
    await pruned(environment)
