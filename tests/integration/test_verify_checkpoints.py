"""`aisle verify` begins at a checkpoint, and reads `decisions` for commands before the log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from ops.audit import replay
from ops.audit.findings import WrongRules
from ops.audit.verify import verify
from runtime.log import Record, WrongLog
from runtime.log.in_memory import MemoryLog
from schemas.commands import BlockSeats, ChangeSeats, CheckIn, ExtendHold, HoldSeats, SwapSeats
from schemas.events import RULES
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, encode
from tests.integration.worker_environment import WorkerEnvironment

HOUR_MS = 3_600_000


class CutLog(MemoryLog):
    """A log whose retention has passed: its partitions begin at `begin`."""

    def __init__(self) -> None:
        self.now_ms = int(time.time() * 1000)
        super().__init__(lambda: self.now_ms)
        self.begin = 0

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        return {
            number: (min(self.begin, end), end) for number, (_, end) in (await super().bounds(topic)).items()
        }

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        begin, _ = (await self.bounds(topic))[partition]
        if start < begin:
            raise WrongLog(f"{start} is before {begin}")
        return await super().read(topic, partition, start, limit)


@pytest.fixture
def log() -> CutLog:
    return CutLog()


@pytest.fixture
async def environment(database_url: str, log: CutLog) -> AsyncIterator[WorkerEnvironment]:
    await log.create(2)
    environment = WorkerEnvironment(database_url, log)
    environment.clock_ms = lambda: log.now_ms  # type: ignore[method-assign]
    await environment.open()
    environment.put(environment.open_show(7))
    booked = environment.book(7, "1", "2")
    environment.put(booked)
    environment.put(
        CheckIn(command_id=uuid4(), show_id=7, user_id=3, staff=True, booking_id=booked.booking_id, seat="2")
    )
    gone = environment.book(7, "3")
    environment.put(gone)
    environment.put(environment.cancel(gone))
    environment.put(HoldSeats(**msgspec.structs.asdict(environment.book(7, "4")), hold_ms=60_000))
    environment.put(BlockSeats(command_id=uuid4(), show_id=7, user_id=3, staff=True, seats=("50",)))
    environment.put(b"rubbish")
    environment.put(environment.open_show(8), partition=1)
    await settled(environment)
    yield environment
    await environment.db.close()


async def settled(environment: WorkerEnvironment) -> None:
    """Everything that was put is decided."""
    async with environment.working():
        for partition, (_, end) in (await environment.log.bounds(COMMANDS_TOPIC)).items():
            await environment.decision(Position(partition, end - 1))


async def differences(environment: WorkerEnvironment, **how: bool) -> list[str]:
    return (await verify(environment.database_url, environment.log, **how)).differences


async def test_a_run_begins_at_the_checkpoint(environment: WorkerEnvironment, log: CutLog) -> None:
    findings = await verify(environment.database_url, log, checkpoint=True)
    assert (findings.differences, findings.commands, findings.bookings) == ([], 9, 3)
    assert findings.checkpoint_at is None
    again = await verify(environment.database_url, log)
    assert (again.differences, again.commands, again.before_checkpoint, again.bookings) == ([], 0, 9, 3)
    assert "9 commands before the checkpoint" in again.summary()
    log.now_ms += 60_000
    environment.put(environment.book(7, "1", user_id=2))
    environment.put(environment.book(7, "4", user_id=2))
    environment.put(environment.open_show(9), partition=1)
    await settled(environment)
    onwards = await verify(environment.database_url, log, checkpoint=True)
    assert (onwards.differences, onwards.before_checkpoint, onwards.shows) == ([], 9, 3)
    assert onwards.commands == 3
    newest = await verify(environment.database_url, log)
    assert (newest.differences, newest.commands, newest.before_checkpoint) == ([], 0, 12)
    everything = await verify(environment.database_url, log, from_start=True)
    assert (everything.differences, everything.commands, everything.before_checkpoint) == ([], 12, 0)


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("UPDATE claims SET seat = 60 WHERE seat = 0", "seat 1 is not claimed"),
        ("UPDATE bookings SET status = 'confirmed' WHERE status = 'cancelled'", "is stored as"),
        ("UPDATE bookings SET checked_in = NULL", "checked_in={'2':"),
        ("DELETE FROM bookings WHERE status = 'cancelled'", "is stored as nothing"),
        ("DELETE FROM claims WHERE state = 'b'", "seat 50 is not claimed"),
        ("UPDATE show_states SET version = 2 WHERE show_id = 7", "version is 2, and should be 6"),
        ("UPDATE show_states SET starts_ms = 2 WHERE show_id = 8", "starts_ms is 2"),
    ],
)
async def test_changes_after_a_checkpoint_are_reported_without_a_replay(
    environment: WorkerEnvironment, tampering: str, expected: str
) -> None:
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute(tampering)
    found = await verify(environment.database_url, environment.log)
    assert found.commands == 0
    assert any(expected in difference for difference in found.differences), found.differences


async def test_no_checkpoint_is_written_with_differences(environment: WorkerEnvironment) -> None:
    await environment.db.execute("UPDATE bookings SET total = total + 1")
    assert await differences(environment, checkpoint=True)
    assert await environment.db.fetchval("SELECT count(*) FROM verify_checkpoints") == 0


async def test_decisions_lost_since_the_checkpoint_are_an_error(environment: WorkerEnvironment) -> None:
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("UPDATE partitions SET next_offset = 4 WHERE partition = 0")
    with pytest.raises(WrongLog, match="decided up to 4, but the checkpoint"):
        await verify(environment.database_url, environment.log)


async def test_decisions_and_checkpoints_of_earlier_rules_are_verified(
    environment: WorkerEnvironment,
) -> None:
    await environment.db.execute("UPDATE decisions SET rules = 1")
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("UPDATE verify_checkpoints SET rules = 1")
    findings = await verify(environment.database_url, environment.log)
    assert (findings.differences, findings.before_checkpoint, findings.checkpoint_rules) == ([], 9, 1)
    await environment.db.execute("UPDATE decisions SET answer = '{}' WHERE log_offset = 7")
    assert await differences(environment, from_start=True) == [
        "0-7 is stored as accepted and decided again as malformed"
    ]


async def test_a_decision_of_later_rules_is_an_error_unless_it_is_before_the_checkpoint(
    environment: WorkerEnvironment,
) -> None:
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("UPDATE decisions SET rules = $1", RULES + 1)
    findings = await verify(environment.database_url, environment.log)
    assert (findings.differences, findings.before_checkpoint, findings.checkpoint_rules) == ([], 9, RULES)
    with pytest.raises(WrongRules, match=rf"0-0 was decided by rules {RULES + 1} of a later release"):
        await verify(environment.database_url, environment.log, from_start=True)


async def test_a_checkpoint_of_later_rules_is_an_error(environment: WorkerEnvironment) -> None:
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("UPDATE verify_checkpoints SET rules = $1", RULES + 1)
    with pytest.raises(WrongRules, match=rf"the checkpoint has rules {RULES + 1} of a later release"):
        await verify(environment.database_url, environment.log)
    assert await differences(environment, from_start=True) == []


async def test_commands_that_earlier_rules_did_not_know_stay_malformed(
    environment: WorkerEnvironment,
) -> None:
    by_staff: dict[str, Any] = {"show_id": 7, "user_id": 3, "staff": True}
    for command in (
        HoldSeats(**msgspec.structs.asdict(environment.book(7, "30")) | {"staff": True}, hold_ms=2 * HOUR_MS),
        ExtendHold(command_id=uuid4(), booking_id=uuid4(), **by_staff),
        ChangeSeats(command_id=uuid4(), booking_id=uuid4(), seats=("31",), **by_staff),
        SwapSeats(command_id=uuid4(), booking_id=uuid4(), with_booking_id=uuid4(), **by_staff),
    ):
        body = encode(command)
        position = environment.put(b"rubbish")
        await settled(environment)
        # As a seat worker of the first release left it: malformed, and without a row of the command's id.
        records = environment.log._partition(COMMANDS_TOPIC, 0)
        records[-1] = Record(0, position.offset, records[-1].at_ms, body)
        await environment.db.execute(
            "UPDATE decisions SET command = $1, rules = 1 WHERE log_offset = $2", body, position.offset
        )
        assert await differences(environment) == []
        await environment.db.execute("UPDATE decisions SET rules = 2 WHERE log_offset = $1", position.offset)
        assert f"0-{position.offset} is stored as malformed" in (await differences(environment))[0]
        await environment.db.execute("UPDATE decisions SET rules = 1 WHERE log_offset = $1", position.offset)


@pytest.mark.parametrize("begin", [1, 5, 9])
async def test_commands_before_the_log_are_read_from_decisions(
    environment: WorkerEnvironment, log: CutLog, begin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_PAGE", 3)
    log.begin = begin
    findings = await verify(environment.database_url, log)
    assert (findings.differences, findings.commands) == ([], 9)
    assert findings.beyond_log == min(begin, 8) + 1, "of both partitions"
    await environment.db.execute("UPDATE decisions SET answer = '{}' WHERE log_offset = 7")
    assert await differences(environment) == ["0-7 is stored as accepted and decided again as malformed"]


async def test_a_command_in_neither_log_nor_decisions_is_named(
    environment: WorkerEnvironment, log: CutLog
) -> None:
    log.begin = 5
    assert await differences(environment, checkpoint=True) == []
    await environment.db.execute("DELETE FROM decisions WHERE log_offset < 3")
    with pytest.raises(WrongLog, match="0-0 is neither in the log"):
        await verify(environment.database_url, log, from_start=True)
    assert await differences(environment) == [], "a checkpoint after it helps"


async def test_an_unreadable_decision_is_reported(environment: WorkerEnvironment) -> None:
    await environment.db.execute("UPDATE decisions SET answer = 'x' WHERE log_offset = 1")
    assert any("0-1 has a decision that cannot be read" in one for one in await differences(environment))


async def test_a_reused_expired_id_does_not_affect_earlier_repeats(
    environment: WorkerEnvironment, log: CutLog
) -> None:
    first = environment.book(7, "10")
    environment.put(first)
    log.now_ms += HOUR_MS
    environment.put(first)
    environment.put(environment.book(7, "11", command_id=first.command_id))
    log.now_ms += 48 * HOUR_MS
    environment.put(environment.book(7, "12", command_id=first.command_id))
    await settled(environment)
    assert (
        await environment.db.fetchval(
            "SELECT log_offset FROM command_ids WHERE command_id = $1", first.command_id
        )
        == 11
    )
    assert await differences(environment) == []


async def test_a_repeat_with_another_first_position_is_reported(environment: WorkerEnvironment) -> None:
    booked = environment.book(7, "20")
    environment.put(booked)
    environment.put(booked)
    await settled(environment)
    await environment.db.execute(
        """UPDATE decisions
              SET answer = convert_to(replace(convert_from(answer, 'UTF8'), '[0,8]', '[0,1]'), 'UTF8')
            WHERE log_offset = 9"""
    )
    assert await differences(environment) == [
        "0-9 is answered like 0-1, which is not the first use of its command id"
    ]
