"""The invariants hold where clients do little else than extend, change, swap and block, on one row of seats.

A thousand schedules: `make simulate RUNS=1000 ARGS='--mode changes'`.
"""

from __future__ import annotations

import pytest

from tests.simulation.modes import CHANGES
from tests.simulation.run import run

SCHEDULES = 60
SCHEDULES_PER_TEST = 20


@pytest.mark.parametrize("first", range(1, 1 + SCHEDULES, SCHEDULES_PER_TEST))
def test_invariants_hold_in_every_schedule_of_changes(first: int) -> None:
    for seed in range(first, first + SCHEDULES_PER_TEST):
        if run(seed, mode=CHANGES).violations:
            failed = run(seed, mode=CHANGES, tracing=True)
            violations = "\n".join(failed.violations)
            pytest.fail(f"{failed.trace}\n\nseed {seed}:\n{violations}", pytrace=False)
