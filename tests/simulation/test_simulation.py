"""The invariants hold in every schedule, with crashes, delays and lost messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import run

SCHEDULES = 300
SCHEDULES_PER_TEST = 50


@pytest.mark.parametrize("first", range(1, 1 + SCHEDULES, SCHEDULES_PER_TEST))
def test_invariants_hold_in_every_schedule(first: int) -> None:
    for seed in range(first, first + SCHEDULES_PER_TEST):
        if run(seed).violations:
            failed = run(seed, tracing=True)
            violations = "\n".join(failed.violations)
            pytest.fail(f"{failed.trace}\n\nseed {seed}:\n{violations}", pytrace=False)


def test_a_seed_gives_the_same_trace_again() -> None:
    for seed in (3, 11, 17):
        assert run(seed, tracing=True) == run(seed, tracing=True)
        assert run(seed).steps == run(seed, tracing=True).steps, "tracing has no effect on the schedule"


def test_the_hash_seed_of_python_makes_no_difference() -> None:
    script = "from tests.simulation.run import run; print([run(seed, tracing=True).trace for seed in (5, 6)])"
    traces = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
