"""Nothing is left running, whatever ends the tests and in whatever state they have left a house."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.processes import start_ticks
from tests.chaos.house import ChaosHouse, eventually

STARTS_AND_WAITS = """
import asyncio, sys, time
from pathlib import Path
from tests.chaos.house import ChaosHouse
house = ChaosHouse(Path(sys.argv[1]), None, workers=1, gateways=1)
asyncio.run(house.start())
print("ready", flush=True)
time.sleep(300)
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ChaosHouse]:
    house = ChaosHouse(tmp_path / "home", None, workers=1, gateways=1)
    yield house
    house.end()


async def test_a_house_whose_parts_are_frozen_ends_whole(house: ChaosHouse) -> None:
    await house.start()
    pids = _pids(house.home)
    assert len(pids) == 5, pids
    for part in (*house.workers, *house.gateways, "redis"):
        house.hit(part, signal.SIGSTOP)
    house.freeze_database(signal.SIGSTOP)
    await asyncio.to_thread(house.end)
    assert [pid for pid in pids if _runs(pid)] == []


async def test_a_house_ends_when_who_started_it_is_killed(house: ChaosHouse) -> None:
    tests = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_AND_WAITS, house.home, stdout=subprocess.PIPE
    )
    assert tests.stdout is not None
    assert await tests.stdout.readline() == b"ready\n"
    pids = _pids(house.home)
    assert len(pids) == 5, pids
    tests.kill()
    await tests.wait()

    async def all_ended() -> bool:
        return not any(_runs(pid) for pid in pids)

    await eventually(all_ended, "something still runs")


def _pids(home: Path) -> list[int]:
    """The processes that the supervisor has on record."""
    return [ChaosHouse(home, None).pid(path.stem) for path in (home / "run").glob("*.pid")]


def _runs(pid: int) -> bool:
    return start_ticks(pid) != 0
