"""What a notifier tells of itself: letters sent, waiting and failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from prometheus_client.core import Metric

from notifier.deliveries import DATABASE_ERRORS, Deliveries, Delivery
from runtime.metrics import counter, gauge

_OUTCOMES = ("sent", "put_off", "failed", "skipped")


class MeasuredDeliveries(Deliveries):
    """The table of letters, with what became of them counted since the start."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._outcomes: dict[tuple[str, ...], float] = {(outcome,): 0 for outcome in _OUTCOMES}

    async def mark_sent(self, delivery: Delivery) -> None:
        await super().mark_sent(delivery)
        self._outcomes["sent",] += 1

    async def mark_failed(self, delivery: Delivery, error: str) -> None:
        await super().mark_failed(delivery, error)
        self._outcomes["failed",] += 1

    async def mark_skipped(self, delivery: Delivery, why: str) -> None:
        await super().mark_skipped(delivery, why)
        self._outcomes["skipped",] += 1

    async def put_off(self, delivery: Delivery, error: str) -> bool:
        again = await super().put_off(delivery, error)
        self._outcomes["put_off",] += again
        return again

    async def metrics(self) -> AsyncIterator[Metric]:
        """Families as of now; how many wait, only while the database says so."""
        yield counter("aisle_letters", "What became of letters.", ["outcome"], self._outcomes)
        try:
            backlog = await self.backlog()
        except DATABASE_ERRORS:
            return
        yield gauge(
            "aisle_letters_waiting",
            "E-mails of all notifiers that are still to be sent; an estimate where there are over 10,000.",
            [],
            {(): backlog.waiting},
        )
        yield gauge(
            "aisle_letters_oldest_seconds",
            "Age of the oldest e-mail that is still to be sent; 0 where there is none.",
            [],
            {(): backlog.oldest_s},
        )
