"""When the partitions have settled on the workers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.local.settling import settled


@pytest.mark.parametrize(
    ("assigned", "balanced", "expected"),
    [
        ([[0], [1], [2], [3]], True, True),
        ([[0, 1], [2, 3]], True, True),
        ([[0, 1, 2, 3], []], False, True),
        ([[0, 1, 2, 3], []], True, False),
        ([[0, 1], [2, 3], [1], [3]], True, False),  # two that do not know yet that they have lost one
        ([[0], [1], [2]], True, False),
        ([[0], [1], [2, 3], None], True, False),
        ([[0], [1], [2, 3], []], True, False),
        ([[0, 1], [2, 3, 4]], True, True),  # one was added meanwhile
        ([], True, False),
    ],
)
def test_partitions_have_settled_when_each_has_one_worker(
    assigned: Sequence[Sequence[int] | None], balanced: bool, expected: bool
) -> None:
    assert settled(assigned, range(4), balanced=balanced) is expected
