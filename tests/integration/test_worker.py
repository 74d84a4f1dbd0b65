"""The seat worker on a real PostgreSQL: what it decides is stored, once, whatever comes between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from runtime.log.memory import MemoryLog
from schemas.events import Reason
from schemas.ids import Position, new_booking_id
from schemas.wire import EVENTS_TOPIC, decode_published_event
from seat_workers.batch import Batch
from seat_workers.ledger import Fenced, Ledger, OutcomeUnknown
from seat_workers.show import step
from tests.integration.house import House


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(2)
    house = House(database_url, log)
    await house.open()
    yield house
    await house.db.close()


async def test_a_booking_is_stored_as_it_was_decided(house: House) -> None:
    async with house.working():
        house.put(house.open_show(7))
        booked = house.book(7, "3", "1")
        decision = await house.decision(house.put(booked))
    assert decision.booking is not None
    assert decision.booking.seats == ("1", "3")
    row = await house.db.fetchrow("SELECT * FROM bookings")
    assert (row["booking_id"], row["status"], row["seats"]) == (booked.booking_id, "confirmed", ["1", "3"])
    assert (row["partition"], row["log_offset"], row["total"]) == (0, 1, 2000)
    assert await house.db.fetchval("SELECT array_agg(seat ORDER BY seat) FROM claims") == [0, 2]
    state = await house.db.fetchrow("SELECT * FROM show_states")
    assert (state["available"], state["version"], state["status"]) == (98, 1, "open")
    partition = await house.db.fetchrow("SELECT * FROM partitions WHERE partition = 0")
    assert (partition["epoch"], partition["next_offset"], partition["published_offset"]) == (1, 2, 2)


async def test_a_seat_is_booked_cancelled_and_booked_many_times_within_one_batch(house: House) -> None:
    house.put(house.open_show(7))
    for _ in range(100):
        booked = house.book(7, "5")
        house.put(booked)
        house.put(house.cancel(booked))
    last = house.book(7, "5", user_id=2)
    position = house.put(last)
    async with house.working():
        assert (await house.decision(position)).reason is None
    assert await house.db.fetchval("SELECT count(*) FROM bookings WHERE status = 'cancelled'") == 100
    claims = await house.db.fetch("SELECT * FROM claims")
    assert [(row["seat"], row["booking_id"]) for row in claims] == [(4, last.booking_id)]
    commits = await house.db.fetchval("SELECT count(DISTINCT xmin::text) FROM decisions")
    assert commits == 1, "all of it was one batch"


async def test_what_is_no_command_is_malformed_and_the_next_one_is_decided(house: House) -> None:
    rubbish = [
        b"",
        b"\x00\xff",
        b"{}",
        b"[" * 5000,
        b'{"type":"Unheard","show_id":7}',
        b'{"type":"BookSeats"}',
    ]
    house.put(house.open_show(7))
    positions = [house.put(record) for record in rubbish]
    later = house.put(
        b'{"type":"CloseShow","command_id":"%s","show_id":7,"staff":true,"news":1}' % str(uuid4()).encode()
    )
    async with house.working():
        for position in positions:
            assert (await house.decision(position)).reason is Reason.MALFORMED
        assert (await house.decision(later)).reason is None, "fields from a newer version are passed over"


async def test_a_show_is_only_there_on_its_own_partition(house: House) -> None:
    house.put(house.open_show(7), partition=0)
    async with house.working():
        first = await house.decision(house.put(house.book(7, "1"), partition=0))
        elsewhere = await house.decision(house.put(house.book(7, "2"), partition=1))
        unheard = await house.decision(house.put(house.book(8, "2"), partition=0))
    assert first.reason is None
    assert elsewhere.reason is Reason.NOT_FOUND
    assert unheard.reason is Reason.NOT_FOUND


async def test_the_same_id_gets_the_same_answer_within_a_batch_and_later(house: House) -> None:
    house.put(house.open_show(7))
    key = uuid4()
    first = house.book(7, "1", "2", command_id=key)
    again = house.book(7, "2", "1", command_id=key)
    other = house.book(7, "3", command_id=key)
    positions = [house.put(command) for command in (first, again, other)]
    async with house.working():
        decisions = [await house.decision(position) for position in positions]
        positions.append(house.put(again))
        decisions.append(await house.decision(positions[-1]))
    async with house.working():  # one that remembers nothing: the unique index tells it
        decisions.append(await house.decision(house.put(again)))
        decisions.append(await house.decision(house.put(other)))
    booked, same, reused, same_later, same_after_restart, reused_after_restart = decisions
    assert booked.booking is not None
    assert booked.booking.booking_id == first.booking_id
    for repeat in (same, same_later, same_after_restart):
        assert repeat.booking == booked.booking
        assert repeat.repeats == positions[0]
        assert repeat.events == ()
    assert reused.reason is reused_after_restart.reason is Reason.KEY_REUSED
    assert await house.db.fetchval("SELECT count(*) FROM bookings") == 1


async def test_an_id_counts_across_partitions(house: House) -> None:
    house.put(house.open_show(7), partition=0)
    house.put(house.open_show(8), partition=1)
    key = uuid4()
    async with house.working():
        here = await house.decision(house.put(house.book(7, "1", command_id=key), partition=0))
    async with house.working():
        there = await house.decision(house.put(house.book(8, "1", command_id=key), partition=1))
    assert here.reason is None
    assert there.reason is Reason.KEY_REUSED


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


async def test_more_old_ids_than_are_remembered_at_once_get_their_first_answers(house: House) -> None:
    house.put(house.open_show(7))
    old = [house.book(7, "1"), house.book(7, "2")]
    async with house.working():
        first = [await house.decision(house.put(command)) for command in old]
    worker = house.worker()
    worker._recent._limit = 1  # so that looking for one id makes room by forgetting the other
    again = [house.put(house.book(7, *command.seats, command_id=command.command_id)) for command in old]
    async with house.working(worker):
        decisions = [await house.decision(position) for position in again]
    assert [one.reason for one in decisions] == [None, None]
    assert [one.booking for one in decisions] == [one.booking for one in first]
    assert [one.repeats for one in decisions] == [Position(0, 1), Position(0, 2)]


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


async def test_log_time_never_runs_backwards_within_a_partition(house: House) -> None:
    house.put(house.open_show(7))
    async with house.working():
        await house.decision(house.put(house.book(7, "1")))
        late = await house.db.fetchval("SELECT last_ms FROM partitions WHERE partition = 0")
        await house.db.execute("UPDATE partitions SET last_ms = last_ms + 1000000")
    async with house.working():
        await house.decision(house.put(house.book(7, "2")))
    times = await house.db.fetch("SELECT at_ms FROM decisions ORDER BY log_offset")
    assert [row["at_ms"] for row in times][-1] == late + 1_000_000


async def test_two_workers_share_the_partitions_and_hand_them_over(house: House) -> None:
    house.put(house.open_show(7), partition=0)
    house.put(house.open_show(8), partition=1)
    async with house.working():
        await house.decision(house.put(house.book(7, "1"), partition=0))
        async with house.working():
            for seat in range(2, 30):
                house.put(house.book(7, str(seat)), partition=0)
                position = house.put(house.book(8, str(seat)), partition=1)
                await asyncio.sleep(0.005)
            await house.decision(position)
        last = house.put(house.book(7, "30"), partition=0)
        await house.decision(last)
        assert await house.decision(Position(0, 1))
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 30 + 28
    epochs = await house.db.fetch("SELECT epoch FROM partitions")
    assert all(row["epoch"] > 1 for row in epochs)


async def test_memory_forgets_the_shows_that_were_not_asked_for_the_longest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []

    class Counting(Ledger):
        async def load_shows(self, show_ids: Any, partitions: Any, *, aside: bool = False) -> Any:
            loads.extend(show_ids)
            return await super().load_shows(show_ids, partitions, aside=aside)

    worker = house.worker(Counting(house.connect))
    monkeypatch.setattr(worker._memory, "_max_seats", 250)  # two shows of 100 seats, and a half
    async with house.working(worker):
        for show_id in (11, 12, 13, 14):
            await house.decision(house.put(house.open_show(show_id)))
        loads.clear()
        for seat, show_id in enumerate((14, 13, 14, 11, 14, 12, 14), 1):
            decision = await house.decision(house.put(house.book(show_id, str(seat))))
            assert decision.reason is None
    assert 14 not in loads, "always in use"
    assert {11, 12} <= set(loads)
    assert await house.db.fetchval("SELECT count(*) FROM claims") == 7


async def test_a_batch_that_was_let_go_of_in_haste_is_decided_again_by_its_next_owner(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.worker._LETTING_GO_S", 0.2)

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


BIG = 20_000


class GatedLedger(Ledger):
    """Big shows come only once the gate is open."""

    def __init__(self, house: House) -> None:
        super().__init__(house.connect)
        self.gate = asyncio.Event()
        self.begun = 0
        self.dropped = 0

    async def load_shows(self, show_ids: Any, partitions: Any, *, aside: bool = False) -> Any:
        if aside:
            self.begun += 1
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.dropped += 1
                raise
        return await super().load_shows(show_ids, partitions, aside=aside)


async def until(holds: Callable[[], bool]) -> None:
    """Returns when that is so."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody would tell
            await asyncio.sleep(0.005)


@pytest.fixture
async def big_house(database_url: str) -> AsyncIterator[House]:
    """Show 7 on partition 0, all of its seats but four sold one by one; show 8 on partition 1, 9 beside 7."""
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(2)
    house = House(database_url, log)
    await house.open(BIG)
    async with house.working():
        for show_id, partition in ((7, 0), (8, 1), (9, 0)):
            await house.decision(house.put(house.open_show(show_id, seats_per_customer=2), partition))
    sold = [(new_booking_id(7, 1_000 + seat, seat * 7), seat) for seat in range(BIG - 4)]
    await house.db.copy_records_to_table(
        "bookings",
        columns=[
            *("booking_id", "show_id", "user_id", "status", "seats", "total", "currency", "created_ms"),
            *("partition", "log_offset"),
        ],
        records=[
            (one, 7, 100 + seat // 2, "confirmed", [str(seat + 1)], 1000, "EUR", 1, 0, 0)
            for one, seat in sold
        ],
    )
    await house.db.copy_records_to_table("claims", records=[(7, seat, b"s", one) for one, seat in sold])
    await house.db.execute("UPDATE show_states SET available = 4 WHERE show_id = 7")
    yield house
    await house.db.close()


async def test_a_big_show_that_is_being_loaded_holds_up_its_own_partition_only(big_house: House) -> None:
    house, ledger = big_house, GatedLedger(big_house)
    free = [str(seat) for seat in range(BIG - 3, BIG + 1)]
    worker = house.worker(ledger)
    async with house.working(worker):
        held_up = [house.book(7, free[0], user_id=1), house.book(9, "1"), house.book(7, "1", user_id=2)]
        positions = [house.put(command, partition=0) for command in held_up]
        await until(lambda: ledger.begun == 1)
        for seat in range(1, 6):
            elsewhere = await house.decision(house.put(house.book(8, str(seat), user_id=seat), partition=1))
            assert elsewhere.reason is None
            held_up = [house.book(7, free[1], user_id=10 + seat), house.book(7, free[2], user_id=102)]
            positions += [house.put(command, partition=0) for command in held_up]
        await until(lambda: len(worker._backlog._waiting[0]) == len(positions))
        assert await house.db.fetchval("SELECT next_offset FROM partitions WHERE partition = 0") == 2
        ledger.gate.set()
        decisions = [await house.decision(position) for position in positions]
        reasons = [decision.reason for decision in decisions]
    taken, over = Reason.SEAT_TAKEN, Reason.LIMIT_EXCEEDED
    assert reasons == [None, None, taken, None, over, *(4 * [taken, over])]
    assert ledger.begun == 1
    state = await house.db.fetchrow("SELECT available, version FROM show_states WHERE show_id = 7")
    assert tuple(state) == (2, positions[3].offset)


async def test_what_waits_for_a_big_show_is_left_in_the_log_past_a_limit(
    big_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.backlog.MAX_WAITING", 3)
    house, ledger = big_house, GatedLedger(big_house)
    worker = house.worker(ledger)
    positions = []
    async with house.working(worker):
        for user_id in range(1, 11):
            positions.append(house.put(house.book(7, str(BIG), user_id=user_id), partition=0))
            await until(lambda: ledger.begun == 1)
            assert (
                await house.decision(house.put(house.book(8, str(user_id), user_id=user_id), 1))
            ).reason is None
        assert len(worker._backlog._waiting[0]) <= 4
        ledger.gate.set()
        reasons = [(await house.decision(position)).reason for position in positions]
    assert reasons == [None] + 9 * [Reason.SEAT_TAKEN]


async def test_a_load_does_not_outlive_the_partition_it_was_for(big_house: House) -> None:
    house, ledger = big_house, GatedLedger(big_house)
    position = house.put(house.book(7, str(BIG)), partition=0)
    async with house.working(house.worker(ledger)):
        await until(lambda: ledger.begun == 1)
        async with house.working():  # everything is given back, and given out anew
            await until(lambda: ledger.begun == 2)
            assert ledger.dropped == 1, "what was loaded under the old epoch does not count"
            ledger.gate.set()
            assert (await house.decision(position)).reason is None
    epoch = await house.db.fetchval("SELECT epoch FROM partitions WHERE partition = 0")
    assert epoch > 2


async def test_a_big_show_that_cannot_be_loaded_stops_the_worker(big_house: House) -> None:
    await big_house.db.execute("DELETE FROM claims WHERE show_id = 7 AND seat = 5")

    async def work() -> None:
        async with big_house.working() as worker:
            await until(lambda: 0 in worker._owned)
            big_house.put(big_house.book(7, str(BIG)), partition=0)
            await until(lambda: not worker._owned)

    with pytest.raises(ValueError, match="aisle verify"):
        await work()
