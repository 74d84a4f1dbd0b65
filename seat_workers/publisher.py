"""Publishes what was committed: seat changes first, then replies, then events.

All messages are made from stored decisions, so a worker that starts after a crash publishes again from
`published_offset` with the same code. Redis may be down: gateways then look decisions up, and nothing is lost. The
events topic must accept its records: only then a batch counts as published.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec
import redis.exceptions
import structlog

from runtime.backends import Backend
from runtime.log import Appender, LogUnavailable
from runtime.retries import Backoff
from schemas.commands import ReplyTo
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    CheckInUndone,
    Event,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PublishedEvent,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowEvent,
    TicketCheckedIn,
)
from schemas.seat_states import AVAILABLE, BLOCKED, HELD, SOLD
from schemas.wire import SEATS_CHANNEL, Reply, ShowSeatChanges, encode, replies_channel
from seat_workers.fold import DecidedRecord

log = structlog.get_logger()

UNKNOWN_VERSION = -1
"""As `from_version`: a gateway that has a seat-map snapshot of the show loads it again."""

_REDIS_TIMEOUT_S = 0.5
_REDIS_RETRY_S = 0.5


class Redis(Protocol):
    """The part of a Redis client that publishing uses."""

    def pipeline(self, transaction: bool = ...) -> Any: ...


class Publisher:
    """Publishes the decisions of one worker, batch after batch."""

    def __init__(self, redis_client: Redis, events: Appender) -> None:
        self._redis = redis_client
        self._events = events
        self._redis_retry_at_s = 0.0
        self._server = Backend("redis", "publish")

    async def publish(self, decided: list[DecidedRecord], versions_before: Mapping[int, int]) -> None:
        """Publishes committed decisions; returns when the log has their events.

        `versions_before`: show → its version before these decisions, where that is known.
        """
        changes = seat_changes(decided, versions_before)
        messages = [(SEATS_CHANNEL, encode(changes))] if changes else []
        messages += [(replies_channel(gateway), encode(replies)) for gateway, replies in replies_of(decided)]
        if messages:
            await self._notify_gateways(messages)
        events = self.events_of(decided)
        backoff = Backoff(0.1, 5.0)
        while events:
            try:
                await self._events.append_many(events)
                return
            except LogUnavailable as error:
                retry_s = backoff.next_s()
                log.warning("events_append_failed", error=str(error), retry_s=retry_s)
                await asyncio.sleep(retry_s)

    def events_of(self, decided: Iterable[DecidedRecord]) -> list[tuple[int, bytes]]:
        """The events of these decisions as records."""
        return events_of(decided)

    async def _notify_gateways(self, messages: list[tuple[str, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._redis_retry_at_s:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for channel, message in messages:
            pipeline.publish(channel, message)
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                await pipeline.execute()
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            self._redis_retry_at_s = loop.time() + _REDIS_RETRY_S
            self._server.failed()
            log.warning("redis_publish_failed", error=str(error))
        else:
            self._server.works()


def seat_changes(
    decided: Iterable[DecidedRecord], versions_before: Mapping[int, int]
) -> list[ShowSeatChanges]:
    """The seats that these decisions changed, one entry a show, with each seat's latest state.

    A show whose status or terms changed has to be loaded again, which is rare enough to need no message of its own.
    """
    changes: dict[int, dict[str, str]] = defaultdict(dict)
    versions: dict[int, int] = {}
    before = dict(versions_before)
    for one in decided:
        for event in one.decision.events:
            state = _state_after(event)
            if state is not None:
                show_id, seats = _seats(event)
                changes[show_id].update(dict.fromkeys(seats, state))
            elif isinstance(event, BookingChanged | SeatsSwapped):
                show_id = event.booking.show_id
                changes[show_id].update(_states_after_move(event))
            elif isinstance(event, ShowEvent):
                show_id = event.show_id
                before[show_id] = UNKNOWN_VERSION
            elif isinstance(event, TicketCheckedIn | CheckInUndone | HoldExtended):
                show_id = event.booking.show_id  # the version changes, the seats do not
            elif one.command is not None:  # an event of a later release, published again
                show_id = one.command.show_id
                before[show_id] = UNKNOWN_VERSION
            else:
                continue
            versions[show_id] = one.position.offset
    return [
        ShowSeatChanges(show_id, before.get(show_id, UNKNOWN_VERSION), version, changes.get(show_id, {}))
        for show_id, version in versions.items()
    ]


def _state_after(event: Event) -> str | None:
    match event:
        case BookingConfirmed():
            return SOLD
        case BookingHeld():
            return HELD
        case SeatsBlocked():
            return BLOCKED
        case BookingCancelled() | HoldReleased() | HoldExpired() | SeatsUnblocked():
            return AVAILABLE
        case _:
            return None


def _states_after_move(event: BookingChanged | SeatsSwapped) -> dict[str, str]:
    """The states of all seats that a change or swap touches."""
    if isinstance(event, BookingChanged):
        states = dict.fromkeys(event.old_seats, AVAILABLE)
        moved: tuple[Booking, ...] = (event.booking,)
    else:
        states = {}
        moved = (event.booking, event.other)
    for booking in moved:
        states.update(dict.fromkeys(booking.seats, HELD if booking.status is BookingStatus.HELD else SOLD))
    return states


def _seats(event: Any) -> tuple[int, tuple[str, ...]]:
    if isinstance(event, SeatsBlocked | SeatsUnblocked):
        return event.show_id, event.seats
    return event.booking.show_id, event.booking.seats


def replies_of(decided: Iterable[DecidedRecord]) -> list[tuple[str, list[Reply]]]:
    """The replies to the gateways that wait for these decisions, one message a gateway."""
    replies: dict[str, list[Reply]] = defaultdict(list)
    for one in decided:
        if one.command is not None and isinstance(one.command.reply_to, ReplyTo):
            to = one.command.reply_to
            replies[to.gateway].append(Reply(to.request, one.position, msgspec.Raw(one.answer)))
    return list(replies.items())


def events_of(decided: Iterable[DecidedRecord]) -> list[tuple[int, bytes]]:
    """The events of these decisions as records (partition, body), on the partition of their command."""
    return [
        (one.position.partition, encode(PublishedEvent(f"{one.position}-{n}", one.at_ms, event)))
        for one in decided
        for n, event in enumerate(one.decision.events)
    ]
