"""Memory is given back once after a peak of connections."""

from __future__ import annotations

import asyncio

import pytest

from gateway.server import freed_memory
from gateway.server.connections import Connections
from tests.unit.http_connection import on_virtual_time


@pytest.mark.parametrize(
    ("most", "left", "given_back"),
    [(300, 0, 1), (300, 100, 1), (300, 200, 0), (50, 0, 0), (64, 0, 1), (0, 0, 0)],
)
def test_memory_is_given_back_once_after_a_peak_of_connections(
    monkeypatch: pytest.MonkeyPatch, most: int, left: int, given_back: int
) -> None:
    trimmed: list[int] = []

    def trim(pad: int) -> int:
        trimmed.append(pad)
        return 1

    monkeypatch.setattr(freed_memory, "_malloc_trim", lambda: trim)

    async def story() -> None:
        connections = Connections()
        leases = [connections.open(None) for _ in range(most)]
        watching = asyncio.create_task(freed_memory.give_back_memory(connections))
        await asyncio.sleep(60)
        assert trimmed == []
        for lease in leases[left:]:
            lease.close()
        await asyncio.sleep(60)
        assert len(trimmed) == given_back
        await asyncio.sleep(600)
        assert len(trimmed) == given_back, "once"
        watching.cancel()

    on_virtual_time(story)


def test_malloc_trim_works_or_is_left_out() -> None:
    assert freed_memory._malloc_trim()(0) in (0, 1)
