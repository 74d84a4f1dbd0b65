"""The services of an instance: what was added is removed again when one of it does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.local.fleet import Fleet, first_reason
from ops.local.notices import Notices
from ops.local.supervisor import Program, Supervisor

_READY = """
import time
from runtime.service_manager import READY, notify
notify(READY)
time.sleep(60)
"""


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    notices = Notices()
    yield notices
    notices.close()


def fleet_of_small_programs(supervisor: Supervisor, notices: Notices, *, fails_from: int) -> Fleet:
    def worker(number: int) -> Program:
        code = "raise SystemExit(3)" if number >= fails_from else _READY
        environment = os.environ | {"NOTIFY_SOCKET": notices.address}
        return Program(
            name=f"seat-worker-{number}",
            start=lambda: subprocess.Popen([sys.executable, "-c", code], env=environment),
        )

    fleet = Fleet(supervisor, {}, 0)
    fleet._make["workers"] = fleet._make["gateways"] = fleet._make["notifier"] = worker
    return fleet


async def test_the_highest_numbers_are_added_and_removed(tmp_path: Path, notices: Notices) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    fleet, lines = fleet_of_small_programs(supervisor, notices, fails_from=99), list[str]()
    await fleet.scale({"workers": 6}, lines.append)
    assert fleet.names() == [f"seat-worker-{number}" for number in range(1, 7)]
    assert sorted(lines) == [f"seat-worker-{number} is ready" for number in range(1, 7)]
    await fleet.scale({"workers": 2}, lines.append)
    assert fleet.names() == ["seat-worker-1", "seat-worker-2"] == [*supervisor.kept()]
    assert lines[6:] == [f"seat-worker-{number} is stopped" for number in range(3, 7)]
    await fleet.stop()


async def test_a_service_that_does_not_start_changes_nothing(tmp_path: Path, notices: Notices) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    fleet = fleet_of_small_programs(supervisor, notices, fails_from=3)
    await fleet.scale({"workers": 1}, lambda _: None)
    before = dict(supervisor.kept())
    with pytest.raises(ExceptionGroup) as failed:
        await fleet.scale({"workers": 4}, lambda _: None)
    reason = first_reason(failed.value)
    assert reason is not None
    assert "does not start (exit status 3)" in reason
    assert fleet.names() == ["seat-worker-1"]
    assert supervisor.kept() == before
    await fleet.stop()
