"""A bug that is planted into the real code, to test that the simulation finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from seat_workers.worker import SeatWorker
from tests.simulation.database import Database

Patches = Iterable[tuple[object, str, Any]]


class PlantedBug(msgspec.Struct, frozen=True):
    """One bug. `expected_violations`: the possible beginnings of the violation that it must cause."""

    name: str
    expected_violations: tuple[str, ...]
    worker: type[SeatWorker] = SeatWorker
    database: type[Database] = Database
    patches: Callable[[], Patches] = tuple

    @contextmanager
    def planted(self) -> Iterator[dict[str, Any]]:
        """Plants the bug; yields the types to make the instance of."""
        with ExitStack() as stack:
            for where, name, wrong in self.patches():
                stack.enter_context(patch.object(where, name, wrong))
            yield {"worker_type": self.worker, "database_type": self.database}
