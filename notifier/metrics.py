"""Metrics of a notifier: e-mails by outcome, the backlog, and those of its webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from prometheus_client.core import Metric

from notifier.deliveries import Deliveries, Delivery
from runtime.metrics import MetricsSource, counter, gauge
from runtime.postgres import DATABASE_ERRORS

_OUTCOMES = ("sent", "deferred", "failed", "skipped")


class JoinedMetrics:
    """The metric families of several sources."""

    def __init__(self, *sources: MetricsSource) -> None:
        self._sources = sources

    async def metrics(self) -> AsyncIterator[Metric]:
        """Those of each source, in their order."""
        for source in self._sources:
            async for family in source.metrics():
                yield family


class MeasuredDeliveries(Deliveries):
    """The table of deliveries, with a count of each outcome since the start."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.quota_reached: Callable[[], bool] = lambda: False
        self._outcomes: dict[tuple[str, ...], float] = {(outcome,): 0 for outcome in _OUTCOMES}

    async def mark_sent(self, delivery: Delivery) -> None:
        await super().mark_sent(delivery)
        self._outcomes["sent",] += 1

    async def mark_failed(self, delivery: Delivery, error: str) -> None:
        await super().mark_failed(delivery, error)
        self._outcomes["failed",] += 1

    async def mark_skipped(self, delivery: Delivery, reason: str) -> None:
        await super().mark_skipped(delivery, reason)
        self._outcomes["skipped",] += 1

    async def defer(self, delivery: Delivery, error: str) -> bool:
        again = await super().defer(delivery, error)
        self._outcomes["deferred",] += again
        return again

    async def metrics(self) -> AsyncIterator[Metric]:
        """The current metric families. Those of the backlog are missing while the database is unavailable."""
        yield counter("aisle_emails", "E-mails by outcome.", ["outcome"], self._outcomes)
        yield gauge(
            "aisle_emails_quota_reached",
            "1 while the mail server takes no e-mail because of the sender's quota, else 0.",
            [],
            {(): int(self.quota_reached())},
        )
        try:
            backlog = await self.backlog()
        except DATABASE_ERRORS:
            return
        yield gauge(
            "aisle_emails_waiting",
            "E-mails of all notifiers that are still to be sent; an estimate where there are over 10,000.",
            [],
            {(): backlog.waiting},
        )
        yield gauge(
            "aisle_emails_oldest_age_seconds",
            "Age of the oldest e-mail that is still to be sent; 0 where there is none.",
            [],
            {(): backlog.oldest_s},
        )
