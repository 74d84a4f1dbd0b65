"""The start time of a process identifies it together with its id."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from runtime.processes import start_ticks


def test_start_time_is_the_one_that_the_kernel_reports() -> None:
    reported = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    assert start_ticks(os.getpid()) == int(reported)


def test_an_ended_process_has_no_start_time_before_and_after_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()  # returns when the child has closed its output, which is when it ends
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_ticks(child.pid) == 0
    child.communicate()
    assert start_ticks(child.pid) == 0
