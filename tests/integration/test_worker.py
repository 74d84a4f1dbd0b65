"""The seat worker on a real PostgreSQL: decisions are stored once, and each command id has one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from schemas.events import Reason
from schemas.ids import Position
from seat_workers.ledger import Ledger
from tests.integration.worker_environment import WorkerEnvironment, opened


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    async with opened(database_url) as environment:
        yield environment


async def test_a_booking_is_stored_as_decided(environment: WorkerEnvironment) -> None:
    async with environment.working():
        environment.put(environment.open_show(7))
        booked = environment.book(7, "3", "1")
        decision = await environment.decision(environment.put(booked))
    assert decision.booking is not None
    assert decision.booking.seats == ("1", "3")
    row = await environment.db.fetchrow("SELECT * FROM bookings")
    assert (row["booking_id"], row["status"], row["seats"]) == (booked.booking_id, "confirmed", ["1", "3"])
    assert (row["partition"], row["log_offset"], row["total"]) == (0, 1, 2000)
    assert await environment.db.fetchval("SELECT array_agg(seat ORDER BY seat) FROM claims") == [0, 2]
    state = await environment.db.fetchrow("SELECT * FROM show_states")
    assert (state["available"], state["version"], state["status"]) == (98, 1, "open")
    partition = await environment.db.fetchrow("SELECT * FROM partitions WHERE partition = 0")
    assert (partition["epoch"], partition["next_offset"], partition["published_offset"]) == (1, 2, 2)


async def test_a_seat_is_booked_cancelled_and_booked_many_times_within_one_batch(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    for _ in range(100):
        booked = environment.book(7, "5")
        environment.put(booked)
        environment.put(environment.cancel(booked))
    last = environment.book(7, "5", user_id=2)
    position = environment.put(last)
    async with environment.working():
        assert (await environment.decision(position)).reason is None
    assert await environment.db.fetchval("SELECT count(*) FROM bookings WHERE status = 'cancelled'") == 100
    claims = await environment.db.fetch("SELECT * FROM claims")
    assert [(row["seat"], row["booking_id"]) for row in claims] == [(4, last.booking_id)]
    commits = await environment.db.fetchval("SELECT count(DISTINCT xmin::text) FROM decisions")
    assert commits == 1, "all of it was one batch"


async def test_a_malformed_record_does_not_stop_the_next_command(
    environment: WorkerEnvironment,
) -> None:
    rubbish = [
        b"",
        b"\x00\xff",
        b"{}",
        b"[" * 5000,
        b'{"type":"Unheard","show_id":7}',
        b'{"type":"BookSeats"}',
    ]
    environment.put(environment.open_show(7))
    positions = [environment.put(record) for record in rubbish]
    later = environment.put(
        b'{"type":"CloseShow","command_id":"%s","show_id":7,"staff":true,"news":1}' % str(uuid4()).encode()
    )
    async with environment.working():
        for position in positions:
            assert (await environment.decision(position)).reason is Reason.MALFORMED
        assert (await environment.decision(later)).reason is None, (
            "fields from a newer version are passed over"
        )


async def test_a_show_is_found_on_its_own_partition_only(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7), partition=0)
    async with environment.working():
        first = await environment.decision(environment.put(environment.book(7, "1"), partition=0))
        elsewhere = await environment.decision(environment.put(environment.book(7, "2"), partition=1))
        unheard = await environment.decision(environment.put(environment.book(8, "2"), partition=0))
    assert first.reason is None
    assert elsewhere.reason is Reason.NOT_FOUND
    assert unheard.reason is Reason.NOT_FOUND


async def test_the_same_id_gets_the_same_answer_within_a_batch_and_later(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    key = uuid4()
    first = environment.book(7, "1", "2", command_id=key)
    again = environment.book(7, "2", "1", command_id=key)
    other = environment.book(7, "3", command_id=key)
    positions = [environment.put(command) for command in (first, again, other)]
    async with environment.working():
        decisions = [await environment.decision(position) for position in positions]
        positions.append(environment.put(again))
        decisions.append(await environment.decision(positions[-1]))
    async with environment.working():  # with empty memory: the unique index finds the repeats
        decisions.append(await environment.decision(environment.put(again)))
        decisions.append(await environment.decision(environment.put(other)))
    booked, same, reused, same_later, same_after_restart, reused_after_restart = decisions
    assert booked.booking is not None
    assert booked.booking.booking_id == first.booking_id
    for repeat in (same, same_later, same_after_restart):
        assert repeat.booking == booked.booking
        assert repeat.repeats == positions[0]
        assert repeat.events == ()
    assert reused.reason is reused_after_restart.reason is Reason.KEY_REUSED
    assert await environment.db.fetchval("SELECT count(*) FROM bookings") == 1


async def test_command_ids_are_unique_across_partitions(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7), partition=0)
    environment.put(environment.open_show(8), partition=1)
    key = uuid4()
    async with environment.working():
        here = await environment.decision(
            environment.put(environment.book(7, "1", command_id=key), partition=0)
        )
    async with environment.working():
        there = await environment.decision(
            environment.put(environment.book(8, "1", command_id=key), partition=1)
        )
    assert here.reason is None
    assert there.reason is Reason.KEY_REUSED


async def test_more_old_ids_than_fit_into_memory_get_their_first_answers(
    environment: WorkerEnvironment,
) -> None:
    environment.put(environment.open_show(7))
    old = [environment.book(7, "1"), environment.book(7, "2")]
    async with environment.working():
        first = [await environment.decision(environment.put(command)) for command in old]
    worker = environment.worker()
    worker._recent_ids._limit = 1  # so that looking for one id makes room by forgetting the other
    again = [
        environment.put(environment.book(7, *command.seats, command_id=command.command_id)) for command in old
    ]
    async with environment.working(worker):
        decisions = [await environment.decision(position) for position in again]
    assert [one.reason for one in decisions] == [None, None]
    assert [one.booking for one in decisions] == [one.booking for one in first]
    assert [one.repeats for one in decisions] == [Position(0, 1), Position(0, 2)]


async def test_log_time_is_monotonic_within_a_partition(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7))
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "1")))
        late = await environment.db.fetchval("SELECT last_ms FROM partitions WHERE partition = 0")
        await environment.db.execute("UPDATE partitions SET last_ms = last_ms + 1000000")
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "2")))
    times = await environment.db.fetch("SELECT at_ms FROM decisions ORDER BY log_offset")
    assert [row["at_ms"] for row in times][-1] == late + 1_000_000


async def test_two_workers_share_the_partitions_and_hand_them_over(environment: WorkerEnvironment) -> None:
    environment.put(environment.open_show(7), partition=0)
    environment.put(environment.open_show(8), partition=1)
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "1"), partition=0))
        async with environment.working():
            for seat in range(2, 30):
                environment.put(environment.book(7, str(seat)), partition=0)
                position = environment.put(environment.book(8, str(seat)), partition=1)
                await asyncio.sleep(0.005)
            await environment.decision(position)
        last = environment.put(environment.book(7, "30"), partition=0)
        await environment.decision(last)
        assert await environment.decision(Position(0, 1))
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 30 + 28
    # The one that stayed was taken once, the other by each worker and once more.
    epochs = dict(await environment.db.fetch("SELECT partition, epoch FROM partitions"))
    assert epochs == {0: 1, 1: 3}


async def test_the_cache_evicts_the_least_recently_used_shows(
    environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []

    class Counting(Ledger):
        async def load_shows(self, show_ids: Any, partitions: Any, *, in_background: bool = False) -> Any:
            loads.extend(show_ids)
            return await super().load_shows(show_ids, partitions, in_background=in_background)

    worker = environment.worker(Counting(environment.connect))
    monkeypatch.setattr(worker._cache, "_max_seats", 250)  # two shows of 100 seats, and a half
    async with environment.working(worker):
        for show_id in (11, 12, 13, 14):
            await environment.decision(environment.put(environment.open_show(show_id)))
        loads.clear()
        for seat, show_id in enumerate((14, 13, 14, 11, 14, 12, 14), 1):
            decision = await environment.decision(environment.put(environment.book(show_id, str(seat))))
            assert decision.reason is None
    assert 14 not in loads, "always in use"
    assert {11, 12} <= set(loads)
    assert await environment.db.fetchval("SELECT count(*) FROM claims") == 7
