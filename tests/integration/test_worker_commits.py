"""A seat worker whose commits are refused, lost or late: nothing is lost, repeated or published too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from schemas.events import Reason
from schemas.wire import EVENTS_TOPIC, decode_published_event
from seat_workers.batch import Batch
from seat_workers.ledger import Fenced, Ledger, OutcomeUnknown
from seat_workers.show import step
from tests.integration.worker_environment import WorkerEnvironment, opened


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    async with opened(database_url) as environment:
        yield environment


async def test_a_fenced_worker_writes_nothing(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7))
    worker = environment.worker()
    other = Ledger(environment.connect)
    before = 0

    async def work_until_another_takes_over() -> None:
        nonlocal before
        async with environment.working(worker):
            await environment.decision(environment.put(environment.book(7, "1")))
            await other.take([0], "another")
            before = await environment.db.fetchval("SELECT count(*) FROM decisions")
            environment.put(environment.book(7, "2"))
            await asyncio.sleep(1)

    with pytest.raises(Fenced):
        await work_until_another_takes_over()
    await other.close()
    assert await environment.db.fetchval("SELECT count(*) FROM decisions") == before
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 1


async def test_a_command_on_which_the_rules_raise_is_an_internal_error_and_the_others_are_decided(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:

    def planted(show: Any, command: Any, now_ms: int) -> Any:
        decision = step(show, command, now_ms)
        if getattr(command, "seats", ()) == ("13",):
            raise RuntimeError("a bug, after the state has changed")
        return decision

    monkeypatch.setattr("seat_workers.decider.step", planted)
    environment.put(environment.open_show(7))
    environment.put(environment.open_show(8))
    commands = [
        environment.book(7, "1"),
        environment.book(8, "1"),
        environment.book(7, "13"),
        environment.book(7, "2"),
        environment.book(8, "2"),
    ]
    positions = [environment.put(command) for command in commands]
    async with environment.working():
        reasons = [(await environment.decision(position)).reason for position in positions]
        assert reasons == [None, None, Reason.INTERNAL_ERROR, None, None]
        again = environment.book(7, "13", command_id=commands[2].command_id)
        assert (await environment.decision(environment.put(again))).reason is Reason.INTERNAL_ERROR
    assert await environment.db.fetchval(
        "SELECT array_agg(seat ORDER BY seat) FROM claims WHERE show_id = 7"
    ) == [
        0,
        1,
    ]


async def test_a_command_whose_rows_postgresql_refuses_is_an_internal_error_and_the_others_are_decided(
    environment: WorkerEnvironment,
) -> None:
    await environment.db.execute("ALTER TABLE claims ADD CHECK (seat <> 12)")
    environment.put(environment.open_show(7))
    commands = [
        environment.book(7, "1"),
        environment.book(7, "13"),
        environment.book(7, "2"),
        environment.book(7, "3"),
    ]
    positions = [environment.put(command) for command in commands]
    async with environment.working():
        reasons = [(await environment.decision(position)).reason for position in positions]
        assert reasons == [None, Reason.INTERNAL_ERROR, None, None]
        assert (await environment.decision(environment.put(environment.book(7, "4")))).reason is None


class ShakyLedger(Ledger):
    """A ledger that loses the connection at every other commit, before or after PostgreSQL has committed."""

    commits = 0

    async def commit(self, batch: Batch) -> None:
        self.commits += 1
        if self.commits % 4 == 1:
            raise OutcomeUnknown("cut off before")
        await super().commit(batch)
        if self.commits % 4 == 3:
            raise OutcomeUnknown("cut off after")


async def test_a_commit_of_unknown_outcome_is_resolved_by_the_next_offset(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    async with environment.working(environment.worker(ShakyLedger(environment.connect))):
        for seat in range(1, 13):
            decision = await environment.decision(environment.put(environment.book(7, str(seat))))
            assert decision.reason is None
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 12


class TardyLedger(Ledger):
    """A ledger that loses every other commit, which PostgreSQL finishes during the next attempt."""

    late: Batch | None = None

    async def commit(self, batch: Batch) -> None:
        if self.late is not batch:
            self.late = batch
            raise OutcomeUnknown("cut off, and still running")
        await super().commit(batch)
        await super().commit(batch)


async def test_a_commit_that_continues_after_its_connection_is_lost_does_not_fence_its_retry(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    async with environment.working(environment.worker(TardyLedger(environment.connect))):
        for seat in range(1, 5):
            assert (
                await environment.decision(environment.put(environment.book(7, str(seat))))
            ).reason is None
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 4


async def test_committed_decisions_are_republished_from_the_published_offset(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "1")))
    await environment.db.execute("UPDATE partitions SET published_offset = 0")
    before = len(environment.log.records(EVENTS_TOPIC, 0, 0, 100))
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "2")))
    events = [
        decode_published_event(r.body).event_id for r in environment.log.records(EVENTS_TOPIC, 0, 0, 100)
    ]
    assert before == 2
    assert events == ["0-0-0", "0-1-0", "0-0-0", "0-1-0", "0-2-0"]


async def test_nothing_is_published_before_its_commit(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7))

    class Slow(Ledger):
        async def commit(self, batch: Batch) -> None:
            await asyncio.sleep(0.2)
            assert environment.redis.published == published
            assert len(environment.log.records(EVENTS_TOPIC, 0, 0, 100)) == events
            await super().commit(batch)

    async with environment.working(environment.worker(Slow(environment.connect))):
        for seat in range(1, 4):
            published, events = (
                list(environment.redis.published),
                len(environment.log.records(EVENTS_TOPIC, 0, 0, 100)),
            )
            await environment.decision(environment.put(environment.book(7, str(seat))))
            await asyncio.sleep(0.1)
    assert len(environment.log.records(EVENTS_TOPIC, 0, 0, 100)) == 4


async def test_a_batch_abandoned_in_a_forced_revoke_is_decided_again_by_the_next_owner(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.worker._REVOKE_TIMEOUT_S", 0.2)

    class Stuck(Ledger):
        stuck = True

        async def commit(self, batch: Batch) -> None:
            if self.stuck and len(batch.decided) == 1 and batch.decided[0].position.offset == 1:
                await asyncio.sleep(60)
            await super().commit(batch)

    ledger = Stuck(environment.connect)
    worker = environment.worker(ledger)
    async with environment.working(worker):
        await environment.decision(environment.put(environment.open_show(7)))
        booked = environment.book(7, "1")
        position = environment.put(booked)
        await asyncio.sleep(0.5)  # its commit hangs
        async with (
            environment.working()
        ):  # a second member joins: all partitions are revoked and assigned anew
            ledger.stuck = False
            decision = await environment.decision(position)
    assert decision.reason is None
    assert decision.repeats is None, "it is no repeat of itself"
    assert await environment.db.fetchval("SELECT booking_id FROM bookings") == booked.booking_id


async def test_the_published_offset_is_monotonic_across_a_forced_revoke(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.worker._REVOKE_TIMEOUT_S", 0.2)
    go_on = asyncio.Event()
    stuck = False
    append_many = environment.events.append_many

    async def hangs_once(records: Sequence[tuple[int, bytes]]) -> list[int]:
        nonlocal stuck
        if not stuck:
            stuck = True
            await go_on.wait()
        return await append_many(records)

    shows = {0: 1, 1: 2}
    async with environment.working() as worker:
        for partition, show in shows.items():
            await environment.decision(environment.put(environment.open_show(show), partition))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(environment.events, "append_many", hangs_once)
        for partition, show in shows.items():
            await environment.decision(environment.put(environment.book(show, "1"), partition))
        async with (
            environment.working()
        ):  # a second member joins: both revokes are forced, and it gets one of the two
            for partition, show in shows.items():
                await environment.decision(environment.put(environment.book(show, "2"), partition))
        await asyncio.sleep(0.5)  # it leaves: both come back
        assert stuck
        assert worker._published == {0: 3, 1: 3}
        go_on.set()
        await asyncio.sleep(0.1)
        assert worker._published == {0: 3, 1: 3}


async def test_a_smaller_batch_waits_for_the_commit_in_flight(
    environment: WorkerEnvironment,
) -> None:
    sizes: list[int] = []
    go_on = asyncio.Event()

    class Slow(Ledger):
        async def commit(self, batch: Batch) -> None:
            sizes.append(len(batch.decided))
            if len(batch.decided) == 3:
                await go_on.wait()
            await super().commit(batch)

    async with environment.working(environment.worker(Slow(environment.connect))):
        await environment.decision(environment.put(environment.open_show(7)))
        for seat in ("1", "2", "3"):
            environment.put(environment.book(7, seat))
        await asyncio.sleep(0.1)
        environment.put(environment.book(7, "4"))
        await asyncio.sleep(0.1)
        last = environment.put(environment.book(7, "5"))
        go_on.set()
        await environment.decision(last)
    assert sizes == [1, 3, 2]
