"""Pacing of the notifier while other processes are busy."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from notifier.pace import BUSY, Pace, Used, machine_used


class Machine:
    """Two processors whose load the test sets."""

    def __init__(self) -> None:
        self.now_s = self.total_s = self.worked_s = self.own_s = 0.0

    def goes_on(self, seconds: float, *, others: float, own: float = 0.0) -> None:
        """`others` and `own` are processors kept busy."""
        self.now_s += seconds
        self.total_s += 2 * seconds
        self.worked_s += (others + own) * seconds
        self.own_s += own * seconds

    def used(self) -> Used:
        return self.total_s, self.worked_s

    def pace(self) -> Pace:
        pace = Pace(self.used, lambda: self.own_s, lambda: self.now_s)
        assert not pace.machine_busy()
        return pace


def test_the_machine_is_busy_above_the_share_of_other_processes() -> None:
    machine = Machine()
    pace = machine.pace()
    machine.goes_on(1, others=2 * BUSY - 0.1)
    assert not pace.machine_busy()
    machine.goes_on(1, others=2 * BUSY + 0.1)
    assert pace.machine_busy()
    machine.goes_on(1, others=0.1)
    assert not pace.machine_busy()


def test_own_work_does_not_count() -> None:
    machine = Machine()
    pace = machine.pace()
    machine.goes_on(1, others=0.5, own=1.5)
    assert not pace.machine_busy()


async def test_the_pause_is_nine_times_the_work_and_ends_with_a_stop() -> None:
    machine = Machine()
    pace, stop = machine.pace(), asyncio.Event()
    loop = asyncio.get_running_loop()
    machine.goes_on(1, others=2)
    began_s = loop.time()
    async with pace.paced(stop):
        machine.goes_on(0.01, others=2)
    assert loop.time() - began_s >= 0.08
    stop.set()
    async with pace.paced(stop):
        machine.goes_on(60, others=2)


async def test_a_machine_without_counters_is_never_busy() -> None:
    def no_counters() -> Used:
        raise OSError

    assert not Pace(no_counters).machine_busy()


def test_processes_at_a_low_priority_do_not_count(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 5000 200 3000 400 10 20 0 0 0\ncpu0 …\n")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert machine_used(stat) == pytest.approx((8730 * tick_s, 330 * tick_s))
    count = (
        "import os; from notifier.pace import own_used\nwhile os.times().user < 0.5: pass\nprint(own_used())"
    )
    own, own_low = (
        float(subprocess.check_output([*nice, sys.executable, "-c", count])) for nice in ([], ["nice"])
    )
    assert own >= 0.5 > own_low


def test_linux_has_counters() -> None:
    total_s, worked_s = machine_used()
    assert 0 < worked_s < total_s
