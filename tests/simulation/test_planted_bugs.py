"""The simulation finds each planted bug within a bounded number of schedules."""

from __future__ import annotations

import pytest

from tests.simulation.planted_bug import PlantedBug
from tests.simulation.planted_bugs import PLANTED_BUGS
from tests.simulation.run import run

MAX_SCHEDULES = 600


@pytest.mark.parametrize("bug", PLANTED_BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: PlantedBug) -> None:
    for seed in range(1, 1 + MAX_SCHEDULES):
        with bug.planted() as types:
            found = [one for one in run(seed, **types).violations if one.startswith(bug.expected_violations)]
        if found:
            assert run(seed).violations == [], "without the bug the same schedule is clean"
            return
    pytest.fail(f"{bug.name}: not found in {MAX_SCHEDULES} schedules")
