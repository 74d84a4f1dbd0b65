"""Sends the letters that are due, one after the other, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from notifier.composition import Composer, NotWanted, UnknownKind
from notifier.deliveries import DATABASE_ERRORS, Deliveries, Delivery
from notifier.mailer import LetterDeferred, LetterRefused, Mailer, MailServerDown
from notifier.message import BadAddress
from notifier.pace import Pace

BATCH = 10
POLL_S = 1.0
_IDLE_POLLS = 10
"""After so many polls without a letter the connection to the mail server is closed."""
_LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger()


class Sender:
    """Takes a few letters at a time, sends them, and says in the table what became of each.

    A mail server that is away stops all of them, without counting as an attempt of any; it is asked again
    after a pause that grows to 30 s. Trouble with one letter puts off that letter alone.
    """

    def __init__(self, deliveries: Deliveries, composer: Composer, mailer: Mailer, pace: Pace) -> None:
        self._deliveries = deliveries
        self._pace = pace
        self._composer = composer
        self._mailer = mailer
        self._in_hand: set[int] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be letters that are due: look now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; finishes the letter in its hand and gives the others back."""
        pause_s = 0.0
        idle_polls = 0
        while not stop.is_set():
            try:
                self._wake.clear()
                taken = await self._deliveries.take_due(BATCH)
                idle_polls = 0 if taken else idle_polls + 1
                if taken:
                    await self._send_all(taken, stop)
                    pause_s = 0.0
                    continue
                if idle_polls == _IDLE_POLLS:
                    await self._mailer.close()
                await _first_of(stop, self._wake, POLL_S)
            except MailServerDown as error:
                pause_s = min(2 * pause_s or 0.5, _LONGEST_PAUSE_S)
                _log.warning("the mail server takes no letters", error=str(error), retry_s=pause_s)
                await _first_of(stop, stop, pause_s)
            except DATABASE_ERRORS as error:
                pause_s = min(2 * pause_s or 0.5, _LONGEST_PAUSE_S)
                _log.warning("letters cannot be read from the database", error=repr(error), retry_s=pause_s)
                await _first_of(stop, stop, pause_s)

    async def _send_all(self, taken: Sequence[Delivery], stop: asyncio.Event) -> None:
        self._in_hand = {delivery.delivery_id for delivery in taken}
        renewal = asyncio.create_task(self._keep_leases())
        try:
            for delivery in taken:
                if stop.is_set():
                    break
                async with self._pace.working(stop):
                    await self._send(delivery)
                    self._in_hand.discard(delivery.delivery_id)
        finally:
            renewal.cancel()
            if self._in_hand:
                await self._deliveries.give_back(self._in_hand)
                self._in_hand = set()

    async def _send(self, delivery: Delivery) -> None:
        log = _log.bind(delivery=delivery.delivery_id, event_id=delivery.event_id, kind=delivery.kind)
        try:
            outgoing = await self._composer.compose(delivery)
            await self._mailer.send(outgoing.to, outgoing.message)
        except (MailServerDown, *DATABASE_ERRORS):
            raise
        except NotWanted as why:
            log.info("letter not sent", why=str(why))
            await self._deliveries.mark_skipped(delivery, str(why))
        except (LetterRefused, BadAddress) as error:
            log.warning("letter refused for good", error=str(error))
            await self._deliveries.mark_failed(delivery, str(error))
        except LetterDeferred as error:
            log.warning("letter put off", error=str(error), attempts=delivery.attempts)
            await self._deliveries.put_off(delivery, str(error))
        except UnknownKind as error:
            log.warning("letter left to a notifier of a later release", attempts=delivery.attempts)
            await self._deliveries.put_off(delivery, str(error))
        except Exception as error:
            log.exception("letter could not be written", attempts=delivery.attempts)
            await self._deliveries.put_off(delivery, f"{type(error).__name__}: {error}")
        else:
            await self._deliveries.mark_sent(delivery)
            log.debug("letter sent", attempts=delivery.attempts)

    async def _keep_leases(self) -> None:
        """Sending may take longer than a lease: a mail server may think for minutes."""
        while True:
            await asyncio.sleep(self._deliveries.lease_s / 3)
            try:
                await self._deliveries.renew(self._in_hand)
            except DATABASE_ERRORS as error:
                _log.warning("leases on letters were not renewed", error=repr(error))


async def _first_of(one: asyncio.Event, other: asyncio.Event, timeout_s: float) -> None:
    """Waits until one of the events is set or the time is up."""
    waiting = [asyncio.create_task(event.wait()) for event in {one, other}]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
