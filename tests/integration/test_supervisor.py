"""The supervisor with small real processes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.local.notices import Notices
from ops.local.orphans import end_orphans, record
from ops.local.supervisor import Program, Supervisor
from runtime.process import CannotStart


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    notices = Notices()
    yield notices
    notices.close()


def program(name: str, *command: str, stop_s: float = 5.0) -> Program:
    return Program(name=name, start=lambda: subprocess.Popen(command), stop_s=stop_s)


def starts(tmp_path: Path, name: str) -> int:
    path = tmp_path / name
    return len(path.read_text()) if path.exists() else 0


async def test_a_program_that_keeps_dying_is_restarted_with_backoff(tmp_path: Path, notices: Notices) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    supervisor.keep(program("dying", "sh", "-c", f"printf x >> {tmp_path}/dying; exit 3"))
    await asyncio.sleep(2.2)
    # At 0, 0.5 and 1.5 s; the next one at 3.5 s.
    assert starts(tmp_path, "dying") == 3
    await supervisor.stop(["dying"])
    assert not (tmp_path / "dying.pid").exists()


async def test_a_program_that_dies_during_the_start_fails_the_start(tmp_path: Path, notices: Notices) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.keep(program("dying", "sh", "-c", f"printf x >> {tmp_path}/dying; exit 3"))
    with pytest.raises(CannotStart, match=r"dying does not start \(exit status 3\)"):
        await asyncio.wait_for(supervisor.failure, 5)
    assert starts(tmp_path, "dying") == 1
    await supervisor.stop(["dying"])


async def test_a_program_runs_once_when_the_disk_is_too_full_to_record_it(
    tmp_path: Path, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    child = supervisor.keep(
        program("sleeping", "sh", "-c", f"printf x >> {tmp_path}/sleeping; exec sleep 60")
    )
    try:
        await _started(tmp_path, "sleeping", 1)
        monkeypatch.setattr("ops.local.supervisor.record", full)
        child.kill()
        await _started(tmp_path, "sleeping", 2)
        await asyncio.sleep(1)
        assert starts(tmp_path, "sleeping") == 2
    finally:
        await supervisor.stop(["sleeping"])


async def _started(tmp_path: Path, name: str, times: int) -> None:
    async with asyncio.timeout(10):
        while True:
            if starts(tmp_path, name) >= times:
                return
            await asyncio.sleep(0.05)


async def test_a_program_that_exceeds_its_stop_time_is_killed(tmp_path: Path, notices: Notices) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    child = supervisor.keep(
        Program(
            name="deaf",
            start=lambda: subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE),
            stop_s=0.3,
        )
    )
    assert child.stdout is not None
    with child.stdout as said:
        await asyncio.to_thread(said.readline)
    await supervisor.stop(["deaf"])
    assert child.returncode == -signal.SIGKILL


def test_a_recorded_process_is_ended_and_another_with_its_id_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.local.orphans._UNPROMPTED_S", 0.1)
    left, stranger = subprocess.Popen(["sleep", "60"]), subprocess.Popen(["sleep", "60"])
    try:
        record(tmp_path, "left", left.pid, signal.SIGTERM)
        record(tmp_path, "old", stranger.pid, signal.SIGTERM)
        entry = json.loads((tmp_path / "old.pid").read_bytes())
        (tmp_path / "old.pid").write_text(json.dumps(entry | {"started": entry["started"] - 1}))
        (tmp_path / "torn.pid").write_text('{"pid": 1')
        began = time.monotonic()
        assert sorted(end_orphans(tmp_path)) == ["left", "old"]
        assert time.monotonic() - began < 3
        assert left.wait(1) == -signal.SIGTERM
        assert stranger.poll() is None
        assert list(tmp_path.glob("*.pid")) == []
        os.kill(stranger.pid, 0)
    finally:
        for child in (left, stranger):
            child.kill()
            child.wait()
