"""The partitions as the database knows them: those without a seat worker, shows on sale, seats left."""

from __future__ import annotations

import time
from collections.abc import Sequence

import asyncpg
from msgspec.structs import replace

from ops.partitions.state import owned_states, shows_on_sale
from ops.top.frame import Partition
from runtime.postgres import DATABASE_ERRORS, open_connection

EVERY_S = 2.0
"""Seconds between two queries."""
_RETRY_S = 5.0
_TIMEOUT_S = 2.0


class PartitionFacts:
    """Asks the database every two seconds. Without it (`url` is None, or it does not answer) they stay unknown."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._next_s = 0.0
        self._on_sale: dict[int, tuple[int, int]] | None = None
        self._epochs: dict[int, int] = {}

    async def complete(self, partitions: Sequence[Partition]) -> list[Partition]:
        """Returns the partitions with what is known."""
        if self._url is not None and time.monotonic() >= self._next_s:
            await self._ask(self._url)
        on_sale = self._on_sale
        if on_sale is None:
            return list(partitions)
        found = {one.number: one for one in partitions}
        for number, epoch in self._epochs.items():
            found.setdefault(number, Partition(number, "", epoch))
        return [
            replace(one, shows=on_sale.get(number, (0, 0))[0], seats_left=on_sale.get(number, (0, 0))[1])
            for number, one in sorted(found.items())
        ]

    async def _ask(self, url: str) -> None:
        try:
            if self._connection is None:
                self._connection = await open_connection(
                    url,
                    timeout=_TIMEOUT_S,
                    command_timeout=_TIMEOUT_S,
                    server_settings={"application_name": "aisle top"},
                )
            self._on_sale = await shows_on_sale(self._connection)
            states = await owned_states(self._connection)
        except DATABASE_ERRORS:
            self._on_sale = None
            self._next_s = time.monotonic() + _RETRY_S
            await self.close()
            return
        self._epochs = {number: state["epoch"] for number, state in states.items()}
        self._next_s = time.monotonic() + EVERY_S

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=1)
            except DATABASE_ERRORS:
                connection.terminate()
