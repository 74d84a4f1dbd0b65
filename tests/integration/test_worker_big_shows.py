"""Big shows are loaded in the background on a real PostgreSQL: only their own partition is blocked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from schemas.events import Reason
from schemas.ids import new_booking_id
from seat_workers.ledger import Ledger
from tests.integration.worker_environment import WorkerEnvironment, opened

BIG = 20_000


class GatedLedger(Ledger):
    """A ledger that loads big shows only once its gate is open."""

    def __init__(self, environment: WorkerEnvironment) -> None:
        super().__init__(environment.connect)
        self.gate = asyncio.Event()
        self.started = 0
        self.dropped = 0

    async def load_shows(self, show_ids: Any, partitions: Any, *, in_background: bool = False) -> Any:
        if in_background:
            self.started += 1
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.dropped += 1
                raise
        return await super().load_shows(show_ids, partitions, in_background=in_background)


async def until(holds: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.005)


@pytest.fixture
async def big_environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    """Show 7 on partition 0, with all but four seats sold singly; show 8 on partition 1; show 9 on partition 0."""
    async with opened(database_url, seats=BIG) as environment:
        await _sell(environment)
        yield environment


async def _sell(environment: WorkerEnvironment) -> None:
    async with environment.working():
        for show_id, partition in ((7, 0), (8, 1), (9, 0)):
            await environment.decision(
                environment.put(environment.open_show(show_id, seats_per_customer=2), partition)
            )
    sold = [(new_booking_id(7, 1_000 + seat, seat * 7), seat) for seat in range(BIG - 4)]
    await environment.db.copy_records_to_table(
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
    await environment.db.copy_records_to_table(
        "claims",
        columns=["show_id", "seat", "state", "booking_id"],
        records=[(7, seat, b"s", one) for one, seat in sold],
    )
    await environment.db.execute("UPDATE show_states SET available = 4 WHERE show_id = 7")


async def test_a_big_show_that_is_loading_blocks_its_own_partition_only(
    big_environment: WorkerEnvironment,
) -> None:
    environment, ledger = big_environment, GatedLedger(big_environment)
    free = [str(seat) for seat in range(BIG - 3, BIG + 1)]
    worker = environment.worker(ledger)
    async with environment.working(worker):
        commands = [
            environment.book(7, free[0], user_id=1),
            environment.book(9, "1"),
            environment.book(7, "1", user_id=2),
        ]
        positions = [environment.put(command, partition=0) for command in commands]
        await until(lambda: ledger.started == 1)
        for seat in range(1, 6):
            elsewhere = await environment.decision(
                environment.put(environment.book(8, str(seat), user_id=seat), partition=1)
            )
            assert elsewhere.reason is None
            commands = [
                environment.book(7, free[1], user_id=10 + seat),
                environment.book(7, free[2], user_id=102),
            ]
            positions += [environment.put(command, partition=0) for command in commands]
        await until(lambda: len(worker._backlog._queues[0]) == len(positions))
        assert await environment.db.fetchval("SELECT next_offset FROM partitions WHERE partition = 0") == 2
        ledger.gate.set()
        decisions = [await environment.decision(position) for position in positions]
        reasons = [decision.reason for decision in decisions]
    taken, over = Reason.SEAT_TAKEN, Reason.LIMIT_EXCEEDED
    assert reasons == [None, None, taken, None, over, *(4 * [taken, over])]
    assert ledger.started == 1
    state = await environment.db.fetchrow("SELECT available, version FROM show_states WHERE show_id = 7")
    assert tuple(state) == (2, positions[3].offset)


async def test_records_of_a_blocked_partition_past_the_limit_stay_in_the_log(
    big_environment: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seat_workers.backlog.MAX_QUEUED", 3)
    environment, ledger = big_environment, GatedLedger(big_environment)
    worker = environment.worker(ledger)
    positions = []
    async with environment.working(worker):
        for user_id in range(1, 11):
            positions.append(environment.put(environment.book(7, str(BIG), user_id=user_id), partition=0))
            await until(lambda: ledger.started == 1)
            assert (
                await environment.decision(
                    environment.put(environment.book(8, str(user_id), user_id=user_id), 1)
                )
            ).reason is None
        assert len(worker._backlog._queues[0]) <= 4
        ledger.gate.set()
        reasons = [(await environment.decision(position)).reason for position in positions]
    assert reasons == [None] + 9 * [Reason.SEAT_TAKEN]


async def test_a_revoked_partition_cancels_its_loads(big_environment: WorkerEnvironment) -> None:
    environment, ledger = big_environment, GatedLedger(big_environment)
    position = environment.put(environment.book(7, str(BIG)), partition=0)
    async with environment.working(environment.worker(ledger)):
        await until(lambda: ledger.started == 1)
        async with environment.working():  # a second member: all partitions are revoked and assigned anew
            await until(lambda: ledger.started == 2)
            assert ledger.dropped == 1, "a load from before the revoke is dropped"
            ledger.gate.set()
            assert (await environment.decision(position)).reason is None
    epoch = await environment.db.fetchval("SELECT epoch FROM partitions WHERE partition = 0")
    assert epoch == 2, "nobody else had taken the partition: it goes on as it was"


async def test_a_big_show_that_cannot_be_loaded_stops_the_worker(big_environment: WorkerEnvironment) -> None:
    await big_environment.db.execute("DELETE FROM claims WHERE show_id = 7 AND seat = 5")

    async def work() -> None:
        async with big_environment.working() as worker:
            await until(lambda: 0 in worker._owned)
            big_environment.put(big_environment.book(7, str(BIG)), partition=0)
            await until(lambda: not worker._owned)

    with pytest.raises(ValueError, match="aisle verify"):
        await work()
