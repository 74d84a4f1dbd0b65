"""No process is left running, however the tests end and in any state of an instance."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.processes import start_ticks
from tests.chaos.chaos_instance import ChaosInstance, eventually

STARTS_AND_WAITS = """
import asyncio, sys, time
from pathlib import Path
from tests.chaos.chaos_instance import ChaosInstance
instance = ChaosInstance(Path(sys.argv[1]), None, workers=1, gateways=1)
asyncio.run(instance.start())
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[ChaosInstance]:
    instance = ChaosInstance(tmp_path / "home", None, workers=1, gateways=1)
    yield instance
    instance.end()


async def test_an_instance_with_frozen_processes_stops_completely(instance: ChaosInstance) -> None:
    await instance.start()
    pids = _pids(instance.home)
    assert len(pids) == 5, pids
    for part in (*instance.workers, *instance.gateways, "redis"):
        instance.hit(part, signal.SIGSTOP)
    instance.freeze_database(signal.SIGSTOP)
    await asyncio.to_thread(instance.end)
    assert [pid for pid in pids if _runs(pid)] == []


async def test_an_instance_ends_when_its_parent_is_killed(instance: ChaosInstance) -> None:
    tests = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_AND_WAITS, instance.home, stdout=subprocess.PIPE
    )
    assert tests.stdout is not None
    assert await tests.stdout.readline() == b"ready\n"
    pids = _pids(instance.home)
    assert len(pids) == 5, pids
    tests.kill()
    await tests.wait()

    async def all_ended() -> bool:
        return not any(_runs(pid) for pid in pids)

    await eventually(all_ended, "something still runs")


def _pids(home: Path) -> list[int]:
    """The processes that the supervisor has on record."""
    return [ChaosInstance(home, None).pid(path.stem) for path in (home / "run").glob("*.pid")]


def _runs(pid: int) -> bool:
    return start_ticks(pid) != 0
