"""A seat worker whose commits are refused, lost or late: nothing is lost, repeated or told too soon."""

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
from tests.integration.house import House, opened


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with opened(database_url) as house:
        yield house


async def test_a_fenced_worker_writes_nothing(house: House) -> None:
    house.put(house.open_show(7))
    worker = house.worker()
    other = Ledger(house.connect)
    before = 0

    async def work_until_another_takes_over() -> None:
        nonlocal before
        async with house.working(worker):
            await house.decision(house.put(house.book(7, "1")))
            await other.take([0], "another")
            before = await house.db.fetchval("SELECT count(*) FROM decisions")
            house.put(house.book(7, "2"))
            await asyncio.sleep(1)

    with pytest.raises(Fenced):
        await work_until_another_takes_over()
    await other.close()
    assert await house.db.fetchval("SELECT count(*) FROM decisions") == before
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 1


async def test_a_command_on_which_the_rules_raise_is_an_internal_error_and_all_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:

    def planted(show: Any, command: Any, now_ms: int) -> Any:
        decision = step(show, command, now_ms)
        if getattr(command, "seats", ()) == ("13",):
            raise RuntimeError("a bug, after the state has changed")
        return decision

    monkeypatch.setattr("seat_workers.decider.step", planted)
    house.put(house.open_show(7))
    house.put(house.open_show(8))
    commands = [
        house.book(7, "1"),
        house.book(8, "1"),
        house.book(7, "13"),
        house.book(7, "2"),
        house.book(8, "2"),
    ]
    positions = [house.put(command) for command in commands]
    async with house.working():
        reasons = [(await house.decision(position)).reason for position in positions]
        assert reasons == [None, None, Reason.INTERNAL_ERROR, None, None]
        again = house.book(7, "13", command_id=commands[2].command_id)
        assert (await house.decision(house.put(again))).reason is Reason.INTERNAL_ERROR
    assert await house.db.fetchval("SELECT array_agg(seat ORDER BY seat) FROM claims WHERE show_id = 7") == [
        0,
        1,
    ]


async def test_a_command_whose_rows_postgresql_refuses_is_an_internal_error_and_all_others_go_on(
    house: House,
) -> None:
    await house.db.execute("ALTER TABLE claims ADD CHECK (seat <> 12)")
    house.put(house.open_show(7))
    commands = [house.book(7, "1"), house.book(7, "13"), house.book(7, "2"), house.book(7, "3")]
    positions = [house.put(command) for command in commands]
    async with house.working():
        reasons = [(await house.decision(position)).reason for position in positions]
        assert reasons == [None, Reason.INTERNAL_ERROR, None, None]
        assert (await house.decision(house.put(house.book(7, "4")))).reason is None


class ShakyLedger(Ledger):
    """Loses the connection at every other commit, before or after PostgreSQL has committed."""

    commits = 0

    async def commit(self, batch: Batch) -> None:
        self.commits += 1
        if self.commits % 4 == 1:
            raise OutcomeUnknown("cut off before")
        await super().commit(batch)
        if self.commits % 4 == 3:
            raise OutcomeUnknown("cut off after")


async def test_after_a_commit_of_unknown_outcome_the_next_offset_tells(house: House) -> None:
    house.put(house.open_show(7))
    async with house.working(house.worker(ShakyLedger(house.connect))):
        for seat in range(1, 13):
            decision = await house.decision(house.put(house.book(7, str(seat))))
            assert decision.reason is None
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 12


class TardyLedger(Ledger):
    """Loses the connection at every other commit, which PostgreSQL finishes when the next try has begun."""

    late: Batch | None = None

    async def commit(self, batch: Batch) -> None:
        if self.late is not batch:
            self.late = batch
            raise OutcomeUnknown("cut off, and still running")
        await super().commit(batch)
        await super().commit(batch)


async def test_a_commit_that_went_on_after_its_connection_was_lost_is_not_taken_for_another_writers(
    house: House,
) -> None:
    house.put(house.open_show(7))
    async with house.working(house.worker(TardyLedger(house.connect))):
        for seat in range(1, 5):
            assert (await house.decision(house.put(house.book(7, str(seat))))).reason is None
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 4


async def test_everything_committed_is_published_again_from_where_it_was_not_marked(house: House) -> None:
    house.put(house.open_show(7))
    async with house.working():
        await house.decision(house.put(house.book(7, "1")))
    await house.db.execute("UPDATE partitions SET published_offset = 0")
    before = len(house.log.records(EVENTS_TOPIC, 0, 0, 100))
    async with house.working():
        await house.decision(house.put(house.book(7, "2")))
    events = [decode_published_event(r.body).event_id for r in house.log.records(EVENTS_TOPIC, 0, 0, 100)]
    assert before == 2
    assert events == ["0-0-0", "0-1-0", "0-0-0", "0-1-0", "0-2-0"]


async def test_nothing_is_published_before_its_commit(house: House) -> None:
    house.put(house.open_show(7))

    class Slow(Ledger):
        async def commit(self, batch: Batch) -> None:
            await asyncio.sleep(0.2)
            assert house.redis.published == published
            assert len(house.log.records(EVENTS_TOPIC, 0, 0, 100)) == events
            await super().commit(batch)

    async with house.working(house.worker(Slow(house.connect))):
        for seat in range(1, 4):
            published, events = list(house.redis.published), len(house.log.records(EVENTS_TOPIC, 0, 0, 100))
            await house.decision(house.put(house.book(7, str(seat))))
            await asyncio.sleep(0.1)
    assert len(house.log.records(EVENTS_TOPIC, 0, 0, 100)) == 4


async def test_a_batch_that_was_let_go_of_in_haste_is_decided_again_by_its_next_owner(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.worker._REVOKE_TIMEOUT_S", 0.2)

    class Stuck(Ledger):
        stuck = True

        async def commit(self, batch: Batch) -> None:
            if self.stuck and len(batch.decided) == 1 and batch.decided[0].position.offset == 1:
                await asyncio.sleep(60)
            await super().commit(batch)

    ledger = Stuck(house.connect)
    worker = house.worker(ledger)
    async with house.working(worker):
        await house.decision(house.put(house.open_show(7)))
        booked = house.book(7, "1")
        position = house.put(booked)
        await asyncio.sleep(0.5)  # its commit hangs
        async with house.working():  # somebody comes: everything is given back, and given out anew
            ledger.stuck = False
            decision = await house.decision(position)
    assert decision.reason is None
    assert decision.repeats is None, "it is no repeat of itself"
    assert await house.db.fetchval("SELECT booking_id FROM bookings") == booked.booking_id


async def test_what_is_published_does_not_move_backwards_when_a_partition_comes_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.worker._REVOKE_TIMEOUT_S", 0.2)
    go_on = asyncio.Event()
    stuck = False
    append_many = house.events.append_many

    async def hangs_once(records: Sequence[tuple[int, bytes]]) -> list[int]:
        nonlocal stuck
        if not stuck:
            stuck = True
            await go_on.wait()
        return await append_many(records)

    shows = {0: 1, 1: 2}
    async with house.working() as worker:
        for partition, show in shows.items():
            await house.decision(house.put(house.open_show(show), partition))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(house.events, "append_many", hangs_once)
        for partition, show in shows.items():
            await house.decision(house.put(house.book(show, "1"), partition))
        async with house.working():  # somebody comes, so both are let go of in haste, and has one of the two
            for partition, show in shows.items():
                await house.decision(house.put(house.book(show, "2"), partition))
        await asyncio.sleep(0.5)  # and leaves: both come back
        assert stuck
        assert worker._published == {0: 3, 1: 3}
        go_on.set()
        await asyncio.sleep(0.1)
        assert worker._published == {0: 3, 1: 3}


async def test_fewer_commands_than_are_being_committed_wait_for_others_to_join_them(house: House) -> None:
    sizes: list[int] = []
    go_on = asyncio.Event()

    class Slow(Ledger):
        async def commit(self, batch: Batch) -> None:
            sizes.append(len(batch.decided))
            if len(batch.decided) == 3:
                await go_on.wait()
            await super().commit(batch)

    async with house.working(house.worker(Slow(house.connect))):
        await house.decision(house.put(house.open_show(7)))
        for seat in ("1", "2", "3"):
            house.put(house.book(7, seat))
        await asyncio.sleep(0.1)
        house.put(house.book(7, "4"))
        await asyncio.sleep(0.1)
        last = house.put(house.book(7, "5"))
        go_on.set()
        await house.decision(last)
    assert sizes == [1, 3, 2]
