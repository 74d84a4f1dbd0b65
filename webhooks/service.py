"""Webhooks as a part of the notifier process: intake, delivery, removal of old rows, and metrics."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator

from aiohttp.abc import AbstractResolver
from prometheus_client.core import Metric

from runtime.log import Log
from runtime.metrics import counter, gauge
from runtime.polling import poll
from runtime.postgres import DATABASE_ERRORS, Pool
from runtime.retention_period import read_retention
from runtime.settings import Settings
from webhooks.connections import Connections
from webhooks.deliveries import Deliveries
from webhooks.intake import WebhookIntake
from webhooks.recording import Recording
from webhooks.sender import WebhookSender

KEEP_S = 30 * 24 * 3600
"""How long deliveries that are done are kept, unless AISLE_KEEP is shorter."""
_PRUNE_EVERY_S = 600.0


class Webhooks:
    """The webhooks of one notifier process. `resolver` is another source of addresses, for tests."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        log: Log,
        *,
        lease_s: float | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._deliveries = Deliveries(pool, holder) if lease_s is None else Deliveries(pool, holder, lease_s)
        self._connections = Connections(settings.webhook_private_networks, resolver)
        self._sender = WebhookSender(self._deliveries, self._connections)
        self._intake = WebhookIntake(log, Recording(pool), self._sender.wake)
        self._keep_s = min(KEEP_S, KEEP_S if settings.keep is None else read_retention(settings.keep))

    def tasks(self, stop: asyncio.Event) -> list[asyncio.Task[None]]:
        """Starts the tasks; they end once `stop` is set."""
        return [
            asyncio.create_task(self._intake.run(stop), name="webhook events"),
            asyncio.create_task(self._sender.run(stop), name="webhook deliveries"),
            asyncio.create_task(self._prune(stop), name="old webhook deliveries"),
        ]

    async def _prune(self, stop: asyncio.Event) -> None:
        async def prune() -> None:
            await self._deliveries.prune(self._keep_s)

        pruning = asyncio.create_task(poll("old webhook deliveries", prune, every_s=_PRUNE_EVERY_S))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((pruning, stopping), return_when=asyncio.FIRST_COMPLETED)
            if pruning.done():
                await pruning  # raises
        finally:
            pruning.cancel()
            stopping.cancel()
            await asyncio.gather(pruning, stopping, return_exceptions=True)

    async def close(self) -> None:
        """Closes the connections to receivers."""
        await self._connections.close()

    async def metrics(self) -> AsyncIterator[Metric]:
        """The current metric families. Those of the backlog are missing while the database is unavailable."""
        outcomes: dict[tuple[str, ...], float] = {
            (outcome,): count for outcome, count in self._sender.outcomes.items()
        }
        yield counter("aisle_webhooks", "Deliveries to webhooks by outcome.", ["outcome"], outcomes)
        try:
            backlog = await self._deliveries.backlog()
        except DATABASE_ERRORS:
            return
        yield gauge(
            "aisle_webhooks_waiting",
            "Deliveries of all notifiers to active webhooks that are pending; 10,000 where there are more.",
            [],
            {(): backlog.waiting},
        )
        yield gauge(
            "aisle_webhooks_oldest_age_seconds",
            "Age of the oldest pending delivery to an active webhook; 0 where there is none.",
            [],
            {(): backlog.oldest_s},
        )
        yield gauge(
            "aisle_webhooks_switched_off",
            "Webhooks that Aisle switched off: their receiver answered 410, or nothing was delivered for three days.",
            [],
            {(): backlog.disabled},
        )
