"""`aisle verify` finds no differences after normal operation, and every change made behind the workers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from ops.audit.verify import verify
from runtime.log.in_memory import MemoryLog
from tests.integration.worker_environment import WorkerEnvironment


@pytest.fixture
async def environment(database_url: str) -> AsyncIterator[WorkerEnvironment]:
    log = MemoryLog(lambda: int(time.time() * 1000))
    await log.create(2)
    environment = WorkerEnvironment(database_url, log)
    await environment.open()
    environment.put(environment.open_show(7), partition=0)
    environment.put(environment.open_show(8), partition=1)
    key = uuid4()
    first = environment.book(7, "1", "2")
    environment.put(first)
    environment.put(b"rubbish")
    environment.put(environment.book(7, "1", user_id=2))
    environment.put(environment.cancel(first))
    environment.put(environment.book(7, "1", user_id=2, command_id=key))
    environment.put(environment.book(7, "1", user_id=2, command_id=key))
    async with environment.working():
        await environment.decision(environment.put(environment.book(7, "9", user_id=2, command_id=key)))
        await environment.decision(
            environment.put(environment.book(8, "9", user_id=2, command_id=key), partition=1)
        )
    yield environment
    await environment.db.close()


async def test_no_differences_after_normal_operation(environment: WorkerEnvironment) -> None:
    findings = await verify(environment.database_url, environment.log)
    assert findings.differences == []
    assert (findings.commands, findings.shows, findings.bookings, findings.failed) == (10, 2, 2, 0)


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("UPDATE claims SET seat = 50 WHERE seat = 0", "seat 1 is not claimed"),
        ("INSERT INTO claims VALUES (7, 60, 's', gen_random_uuid())", "seat index 60"),
        ("INSERT INTO claims VALUES (99, 60, 's', gen_random_uuid())", "show 99, which the log never opened"),
        ("UPDATE bookings SET status = 'confirmed'", "is stored as"),
        ("UPDATE bookings SET total = total + 1", "is stored as"),
        ("DELETE FROM bookings WHERE status = 'cancelled'", "is stored as nothing"),
        ("UPDATE show_states SET available = 3 WHERE show_id = 7", "available is 3"),
        ("UPDATE decisions SET answer = '{}' WHERE log_offset = 3", "0-3 is stored as accepted"),
        ("DELETE FROM decisions WHERE log_offset = 4 AND partition = 0", "0-4 has no decision"),
        ("UPDATE decisions SET command = '{}' WHERE log_offset = 4 AND partition = 0", "another command"),
        ("UPDATE decisions SET at_ms = at_ms + 1 WHERE log_offset = 4 AND partition = 0", "log time"),
        ("UPDATE command_ids SET log_offset = 3 WHERE log_offset = 1 AND partition = 0", "command id"),
    ],
)
async def test_every_change_behind_the_workers_is_reported(
    environment: WorkerEnvironment, tampering: str, expected: str
) -> None:
    await environment.db.execute(tampering)
    findings = await verify(environment.database_url, environment.log)
    assert any(expected in difference for difference in findings.differences), findings.differences
