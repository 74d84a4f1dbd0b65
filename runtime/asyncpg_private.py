"""asyncpg's names that are not its public interface. They may change with any release; a test uses them on a pool."""

from __future__ import annotations

from typing import Any


def waiting_for_connection(pool: Any) -> int:
    """The number of calls that wait for a connection of this pool."""
    return sum(not getter.done() for getter in pool._queue._getters)
