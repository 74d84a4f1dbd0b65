"""The delivery loop: sends the e-mails that are due, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from notifier.composition import Composer, DeliverySkipped, UnknownKind
from notifier.deliveries import Deliveries, Delivery
from notifier.mailer import Mailer, MailServerUnavailable, MessageDeferred, MessageRejected
from notifier.message import BadAddress
from notifier.pace import Pace
from runtime.polling import poll
from runtime.postgres import DATABASE_ERRORS
from runtime.retries import Backoff
from runtime.tracing import Tracing
from schemas.trace_context import trace_of

BATCH = 10
POLL_S = 1.0
_IDLE_POLLS = 10
"""Number of polls without a delivery after which the SMTP connection is closed."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger()


class Sender:
    """Leases a few deliveries at a time, sends them and stores the outcome of each.

    An unavailable mail server stops all of them and counts as an attempt of none; it is retried with a backoff of up to
    30 s. A failure of one message defers that message alone.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        composer: Composer,
        mailer: Mailer,
        pace: Pace,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._deliveries = deliveries
        self._pace = pace
        self._composer = composer
        self._mailer = mailer
        self._leased: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Polls for due deliveries now instead of at the next interval."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Finishes the current delivery and releases the leases on the others."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        idle_polls = 0
        while not stop.is_set():
            try:
                self._wake.clear()
                batch = await self._deliveries.take_due(BATCH)
                idle_polls = 0 if batch else idle_polls + 1
                if batch:
                    await self._send_all(batch, stop)
                    backoff.reset()
                    continue
                if idle_polls == _IDLE_POLLS:
                    await self._mailer.close()
                await _first_of(stop, self._wake, POLL_S)
            except MailServerUnavailable as error:
                pause_s = backoff.next_s()
                _log.warning("mail_server_unavailable", error=str(error), retry_s=pause_s)
                await _first_of(stop, stop, pause_s)
            except DATABASE_ERRORS as error:
                pause_s = backoff.next_s()
                _log.warning("deliveries_unavailable", error=repr(error), retry_s=pause_s)
                await _first_of(stop, stop, pause_s)

    async def _send_all(self, batch: Sequence[Delivery], stop: asyncio.Event) -> None:
        self._leased = {delivery.delivery_id for delivery in batch}
        renewal = asyncio.create_task(self._keep_leases())
        try:
            for delivery in batch:
                if stop.is_set():
                    break
                async with self._pace.paced(stop):
                    await self._send(delivery)
                    self._leased.discard(delivery.delivery_id)
        finally:
            renewal.cancel()
            if self._leased:
                await self._deliveries.release(self._leased)
                self._leased = set()

    async def _send(self, delivery: Delivery) -> None:
        trace = None if self._tracing is None else trace_of(delivery.payload)
        if self._tracing is None or trace is None:
            await self._send_untraced(delivery)
            return
        about: dict[str, str | int | float] = {
            "aisle.email": delivery.kind,
            "aisle.event_id": delivery.event_id,
            "aisle.attempts": delivery.attempts,
        }
        span = self._tracing.start("send e-mail", "CONSUMER", trace, about)
        try:
            await self._send_untraced(delivery)
        except Exception as error:
            self._tracing.fail(span, type(error).__name__)
            raise
        finally:
            span.end()

    async def _send_untraced(self, delivery: Delivery) -> None:
        log = _log.bind(delivery=delivery.delivery_id, event_id=delivery.event_id, kind=delivery.kind)
        try:
            outgoing = await self._composer.compose(delivery)
            await self._mailer.send(outgoing.to, outgoing.message)
        except (MailServerUnavailable, *DATABASE_ERRORS):
            raise
        except DeliverySkipped as reason:
            log.info("email_skipped", reason=str(reason))
            await self._deliveries.mark_skipped(delivery, str(reason))
        except (MessageRejected, BadAddress) as error:
            log.warning("email_rejected", error=str(error))
            await self._deliveries.mark_failed(delivery, str(error))
        except MessageDeferred as error:
            log.warning("email_deferred", error=str(error), attempts=delivery.attempts)
            await self._deliveries.defer(delivery, str(error))
        except UnknownKind as error:
            log.warning("email_kind_unknown", attempts=delivery.attempts)
            await self._deliveries.defer(delivery, str(error))
        except Exception as error:
            log.exception("email_failed", attempts=delivery.attempts)
            await self._deliveries.defer(delivery, f"{type(error).__name__}: {error}")
        else:
            await self._deliveries.mark_sent(delivery)
            log.debug("email_sent", attempts=delivery.attempts)

    async def _keep_leases(self) -> None:
        """Renews leases while messages are sent: a mail server may take minutes to reply."""
        await poll(
            "delivery leases",
            lambda: self._deliveries.renew(self._leased),
            every_s=self._deliveries.lease_s / 3,
        )


async def _first_of(one: asyncio.Event, other: asyncio.Event, timeout_s: float) -> None:
    """Waits until one of the events is set or the time is up."""
    waiting = [asyncio.create_task(event.wait()) for event in {one, other}]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
