"""Memory as the kernel tells it."""

from __future__ import annotations

import os

import pytest

from loadtest.bench.memory import MIB, MemoryUnknown, parts_mib, pss_bytes

NOBODY = 2**22 + 1
"""Above the largest process id that there is."""


def test_a_process_has_memory_of_its_own() -> None:
    before = pss_bytes(os.getpid())
    kept = bytearray(os.urandom(32 * MIB))
    assert pss_bytes(os.getpid()) >= before + 24 * MIB
    assert len(kept) == 32 * MIB


def test_of_a_process_that_is_not_there_nothing_is_known() -> None:
    with pytest.raises(MemoryUnknown, match=str(NOBODY)):
        pss_bytes(NOBODY)


def test_a_part_whose_memory_is_not_known_is_left_out() -> None:
    assert list(parts_mib({"worker": [os.getpid()], "gateway": [NOBODY]})) == ["worker"]


def test_processes_of_one_part_are_added_up_in_the_order_of_the_parts() -> None:
    mine = os.getpid()
    found = parts_mib({"worker": [mine, mine], "gateway": [mine]})
    assert list(found) == ["gateway", "worker"]
    assert found["worker"] > 1.5 * found["gateway"]
