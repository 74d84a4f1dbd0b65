"""Proportional memory of processes."""

from __future__ import annotations

import os

import pytest

from loadtest.bench.memory import MIB, MemoryUnknown, parts_mib, pss_bytes

NO_PROCESS = 2**22 + 1
"""Above the largest process id."""


def test_allocated_memory_is_counted() -> None:
    before = pss_bytes(os.getpid())
    kept = bytearray(os.urandom(32 * MIB))
    assert pss_bytes(os.getpid()) >= before + 24 * MIB
    assert len(kept) == 32 * MIB


def test_the_memory_of_a_missing_process_is_unknown() -> None:
    with pytest.raises(MemoryUnknown, match=str(NO_PROCESS)):
        pss_bytes(NO_PROCESS)


def test_a_part_with_unknown_memory_is_left_out() -> None:
    assert list(parts_mib({"worker": [os.getpid()], "gateway": [NO_PROCESS]})) == ["worker"]


def test_processes_of_a_part_are_added_up_in_the_order_of_parts() -> None:
    mine = os.getpid()
    found = parts_mib({"worker": [mine, mine], "gateway": [mine]})
    assert list(found) == ["gateway", "worker"]
    assert found["worker"] > 1.5 * found["gateway"]
