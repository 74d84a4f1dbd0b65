"""The delivery loop: sends the e-mails that are due, one after the other.

An e-mail that fails for good fails alone and visibly; everything that is about the mail server, its quota or this
client leaves all of them due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from notifier.composition import Composer, DeliverySkipped, Outgoing, UnknownKind
from notifier.deliveries import Deliveries, Delivery
from notifier.limits import FIRST_QUOTA_PAUSE_S, LONGEST_QUOTA_PAUSE_S, DomainPauses, SameReplies
from notifier.mailer import (
    Mailer,
    MailServerUnavailable,
    MessageDeferred,
    MessageRejected,
    QuotaReached,
)
from notifier.message import BadAddress
from notifier.pace import Pace
from runtime.polling import poll
from runtime.postgres import DATABASE_ERRORS
from runtime.retries import Backoff, jittered_s
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
    30 s, and one whose quota is reached after minutes. A failure of one message defers that message alone.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        composer: Composer,
        mailer: Mailer,
        pace: Pace,
        tracing: Tracing | None = None,
        *,
        quota_pauses_s: tuple[float, float] = (FIRST_QUOTA_PAUSE_S, LONGEST_QUOTA_PAUSE_S),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quota_reached = False
        """Whether the mail server takes no e-mail because of the sender's quota."""
        self._quota_backoff = Backoff(*quota_pauses_s)
        self._clock = clock
        self._domains = DomainPauses()
        self._same_replies = SameReplies()
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
                taken = await self._deliveries.take_due(BATCH)
                idle_polls = 0 if taken else idle_polls + 1
                if taken:
                    await self._send_all(taken, stop)
                    backoff.reset()
                    continue
                if idle_polls == _IDLE_POLLS:
                    await self._mailer.close()
                await _first_of(stop, self._wake, POLL_S)
            except QuotaReached as error:
                pause_s = jittered_s(self._quota_backoff.next_s())
                log = _log.info if self.quota_reached else _log.warning
                log("email_quota_reached", error=str(error), retry_s=round(pause_s, 1))
                self.quota_reached = True
                await _first_of(stop, stop, pause_s)
            except MailServerUnavailable as error:
                pause_s = jittered_s(backoff.next_s())
                more = {"advice": error.advice} if error.advice else {}
                _log.warning("mail_server_unavailable", error=str(error), retry_s=round(pause_s, 1), **more)
                await _first_of(stop, stop, pause_s)
            except DATABASE_ERRORS as error:
                pause_s = backoff.next_s()
                _log.warning("deliveries_unavailable", error=repr(error), retry_s=pause_s)
                await _first_of(stop, stop, pause_s)

    async def _send_all(self, taken: Sequence[Delivery], stop: asyncio.Event) -> None:
        self._leased = {delivery.delivery_id for delivery in taken}
        renewal = asyncio.create_task(self._keep_leases())
        try:
            batch = await self._deliveries.sift(taken)
            self._leased = {delivery.delivery_id for delivery in batch}
            if len(batch) < len(taken):
                _log.info("emails_held_or_skipped", emails=len(taken) - len(batch))
            for delivery in batch:
                if stop.is_set():
                    break
                if delivery.delivery_id not in self._leased:
                    continue  # part of another's e-mail
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
        outgoing: Outgoing | None = None
        try:
            merged = await self._deliveries.merged_with(delivery)
            self._leased.difference_update(one.delivery_id for one in merged)
            if merged:
                outgoing = await self._composer.compose_merged([delivery, *merged])
            else:
                outgoing = await self._composer.compose(delivery)
            domain = outgoing.to.rpartition("@")[2]
            if (left_s := self._domains.left_s(domain, self._clock())) > 0:
                await self._deliveries.postpone(
                    delivery, left_s, f"{domain} deferred e-mails before this one"
                )
                return
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
            assert outgoing is not None
            self._deferred(outgoing.to, error)
        except UnknownKind as error:
            log.warning("email_kind_unknown", attempts=delivery.attempts)
            await self._deliveries.defer(delivery, str(error))
        except Exception as error:
            log.exception("email_failed", attempts=delivery.attempts)
            await self._deliveries.defer(delivery, f"{type(error).__name__}: {error}")
        else:
            await self._deliveries.mark_sent(delivery)
            log.debug("email_sent", attempts=delivery.attempts, merged=len(merged))
            self._accepted(outgoing.to)

    def _accepted(self, address: str) -> None:
        self._domains.accepted(address.rpartition("@")[2])
        self._same_replies.accepted()
        self._quota_backoff.reset()
        if self.quota_reached:
            self.quota_reached = False
            _log.info("email_quota_over")

    def _deferred(self, address: str, error: MessageDeferred) -> None:
        """Raises QuotaReached when the server defers all alike."""
        if not error.reply:
            return
        domain = address.rpartition("@")[2]
        if pause_s := self._domains.deferred(domain, self._clock()):
            _log.warning("email_domain_paused", domain=domain, error=str(error), retry_s=pause_s)
        if self._same_replies.deferred(address, error.reply):
            raise QuotaReached(f"it defers all e-mails: {error}")

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
