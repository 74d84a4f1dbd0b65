"""The delivery loop of webhooks: runs of deliveries, several webhooks at once, each with its own bound."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from runtime.postgres import DATABASE_ERRORS
from runtime.retries import Backoff
from webhooks.connections import Connections
from webhooks.deliveries import Deliveries, Delivery, Receiver
from webhooks.schedule import Outcome, Try
from webhooks.signing import SigningKeys, sign

LANES = 8
"""Requests of one webhook at a time. Each is a show, or a delivery that is retried beside its show.

There is no bound for all webhooks but that times their number, so that slow ones never use up the requests of others.
"""
RUN_S = 20.0
"""A run ends after this time, well before its leases expire."""
POLL_S = 0.5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STOP_S = 17.0
"""Grace period at a stop for the requests that are under way: a little more than one may take."""

_log = structlog.get_logger()


class WebhookSender:
    """Sends what is due. A webhook that is slow or down has its own requests only, and delays no other."""

    def __init__(
        self, deliveries: Deliveries, connections: Connections, user_agent: str = "Aisle-Webhooks/1"
    ) -> None:
        self._deliveries = deliveries
        self._connections = connections
        self._user_agent = user_agent
        self._wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], int] = {}
        self._lanes: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter({"delivered": 0, "deferred": 0, "failed": 0})
        self.switched_off = 0

    def wake(self) -> None:
        """Looks for due deliveries now instead of at the next interval."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Completes the requests under way, and releases the other leases."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        try:
            while not stop.is_set():
                self._wake.clear()
                pause_s = POLL_S
                try:
                    await self._start_due(stop)
                    backoff.reset()
                except DATABASE_ERRORS as error:
                    pause_s = backoff.next_s()
                    _log.warning("webhook_deliveries_unavailable", error=repr(error), retry_s=pause_s)
                    await _first_of(pause_s, stop)
                    continue
                await _first_of(pause_s, stop, self._wake)
        finally:
            if self._running:
                _, late = await asyncio.wait(self._running, timeout=_STOP_S)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _start_due(self, stop: asyncio.Event) -> None:
        for receiver in await self._deliveries.due():
            free = (1 if receiver.slowdowns else LANES) - self._lanes[receiver.webhook_id]
            if free <= 0:
                continue
            runs = await self._deliveries.take(receiver.webhook_id, free)
            if not runs:
                continue
            keys = (await self._deliveries.keys([receiver.webhook_id])).get(receiver.webhook_id, [])
            for run in runs:
                task = asyncio.create_task(self._run(receiver, keys, run, stop), name="webhook")
                self._running[task] = receiver.webhook_id
                self._lanes[receiver.webhook_id] += 1
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        webhook_id = self._running.pop(task)
        self._lanes[webhook_id] -= 1
        if not self._lanes[webhook_id]:
            del self._lanes[webhook_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("webhook_run_failed", webhook=webhook_id, error=repr(error))
        else:
            self._wake.set()

    async def _run(
        self, receiver: Receiver, keys: Sequence[SigningKeys], run: Sequence[Delivery], stop: asyncio.Event
    ) -> None:
        """Sends the deliveries of a run in their order, until one is not taken."""
        left = list(run)
        ends_s = time.monotonic() + RUN_S
        try:
            while left and not stop.is_set() and time.monotonic() < ends_s:
                delivery = left.pop(0)
                if not await self._send(receiver, keys, delivery):
                    break
        except DATABASE_ERRORS as error:
            # The leases expire, and what was not stored is sent again.
            _log.warning("webhook_outcome_not_stored", webhook=receiver.webhook_id, error=repr(error))
            await asyncio.sleep(_FIRST_PAUSE_S)
            left = []
        finally:
            if left:
                await self._deliveries.release(left)

    async def _send(self, receiver: Receiver, keys: Sequence[SigningKeys], delivery: Delivery) -> bool:
        """Makes one try and stores its outcome. Returns whether the next one of the run may be sent."""
        attempts = await self._deliveries.begin(delivery)
        if attempts is None:
            return False
        log = _log.bind(
            webhook=receiver.webhook_id,
            delivery=delivery.delivery_id,
            event_id=delivery.event_id,
            attempts=attempts,
        )
        result = await self._request(receiver, keys, delivery)
        match result.outcome:
            case Outcome.DELIVERED:
                await self._deliveries.mark_delivered(delivery, result.status)
                self.outcomes["delivered"] += 1
                log.debug("webhook_delivered", status=result.status)
                return True
            case Outcome.GONE:
                self.outcomes["failed"] += 1
                if await self._deliveries.switch_off(delivery, result):
                    self.switched_off += 1
                    log.warning("webhook_switched_off", reason="the receiver answered 410")
                return False
            case Outcome.SLOW_DOWN:
                pause_s = await self._deliveries.slow_down(receiver, result)
                log.info("webhook_slowed_down", status=result.status, pause_s=pause_s)
        delay_s = await self._deliveries.defer(delivery, attempts, result)
        if delay_s is not None:
            self.outcomes["deferred"] += 1
            log.info("webhook_deferred", status=result.status, error=result.error, retry_s=delay_s)
            return False
        self.outcomes["failed"] += 1
        log.warning("webhook_failed", status=result.status, error=result.error)
        if await self._deliveries.switch_off_dead(delivery):
            self.switched_off += 1
            log.warning("webhook_switched_off", reason="no delivery has succeeded for three days")
        return False

    async def _request(self, receiver: Receiver, keys: Sequence[SigningKeys], delivery: Delivery) -> Try:
        now_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(delivery.event_id, now_s, delivery.body, keys),
        }
        return await self._connections.post(receiver.url, headers, delivery.body)


async def _first_of(timeout_s: float, *events: asyncio.Event) -> None:
    """Waits until one of the events is set or the time is up."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
