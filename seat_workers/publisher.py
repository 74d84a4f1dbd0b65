"""Tells the world what was committed: seat changes first, then replies, then events.

Everything here is made from decisions as they are stored, so a worker that starts after a crash publishes
again from `published_offset` with the same code. Redis may be gone: gateways then look answers up, and
nothing is lost. The topic of events is different: a batch counts as published only when it has taken them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec
import redis.exceptions
import structlog

from runtime.log import Appender, LogUnavailable
from schemas.commands import ReplyTo
from schemas.events import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    Event,
    HoldExpired,
    HoldReleased,
    PublishedEvent,
    SeatsBlocked,
    SeatsUnblocked,
    ShowEvent,
    TicketCheckedIn,
)
from schemas.wire import SEATS_CHANNEL, Reply, ShowSeatChanges, encode, replies_channel
from seat_workers.fold import Decided

log = structlog.get_logger()

UNKNOWN_VERSION = -1
"""As `from_version`: whoever has a picture of the show loads it again."""

_REDIS_TIMEOUT_S = 0.5
_REDIS_PAUSE_S = 0.5


class Redis(Protocol):
    """What publishing needs of a Redis client."""

    def pipeline(self, transaction: bool = ...) -> Any: ...


class Publisher:
    """Publishes the decisions of one worker, batch after batch."""

    def __init__(self, redis_client: Redis, events: Appender) -> None:
        self._redis = redis_client
        self._events = events
        self._redis_rests_until = 0.0

    async def publish(self, decided: list[Decided], versions_before: Mapping[int, int]) -> None:
        """Publishes committed decisions; returns when the log has their events.

        `versions_before`: of each show, the version before these decisions, where that is known.
        """
        changes = seat_changes(decided, versions_before)
        messages = [(SEATS_CHANNEL, encode(changes))] if changes else []
        messages += [(replies_channel(gateway), encode(replies)) for gateway, replies in replies_of(decided)]
        if messages:
            await self._tell_gateways(messages)
        events = events_of(decided)
        retry_s = 0.1
        while events:
            try:
                await self._events.append_many(events)
                return
            except LogUnavailable as error:
                log.warning("events not published yet", error=str(error), retry_s=retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, 5.0)

    async def _tell_gateways(self, messages: list[tuple[str, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._redis_rests_until:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for channel, message in messages:
            pipeline.publish(channel, message)
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                await pipeline.execute()
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            self._redis_rests_until = loop.time() + _REDIS_PAUSE_S
            log.warning("Redis is gone; gateways will look answers up", error=str(error))


def seat_changes(decided: Iterable[Decided], versions_before: Mapping[int, int]) -> list[ShowSeatChanges]:
    """What these decisions changed, one entry a show, the latest letter per seat.

    A show whose status or terms changed has to be loaded again: that is rare, and not worth a message.
    """
    changes: dict[int, dict[str, str]] = defaultdict(dict)
    versions: dict[int, int] = {}
    before = dict(versions_before)
    for one in decided:
        for event in one.decision.events:
            letter = _letter(event)
            if letter is not None:
                show_id, seats = _seats(event)
                changes[show_id].update(dict.fromkeys(seats, letter))
            elif isinstance(event, ShowEvent):
                show_id = event.show_id
                before[show_id] = UNKNOWN_VERSION
            elif isinstance(event, TicketCheckedIn):
                show_id = event.booking.show_id  # its version moves on, its seats stay as they are
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


def _letter(event: Event) -> str | None:
    match event:
        case BookingConfirmed():
            return "s"
        case BookingHeld():
            return "h"
        case SeatsBlocked():
            return "b"
        case BookingCancelled() | HoldReleased() | HoldExpired() | SeatsUnblocked():
            return "a"
        case _:
            return None


def _seats(event: Any) -> tuple[int, tuple[str, ...]]:
    if isinstance(event, SeatsBlocked | SeatsUnblocked):
        return event.show_id, event.seats
    return event.booking.show_id, event.booking.seats


def replies_of(decided: Iterable[Decided]) -> list[tuple[str, list[Reply]]]:
    """For each gateway that waits for any of these decisions: its replies, in one message."""
    replies: dict[str, list[Reply]] = defaultdict(list)
    for one in decided:
        if one.command is not None and isinstance(one.command.reply_to, ReplyTo):
            to = one.command.reply_to
            replies[to.gateway].append(Reply(to.request, one.position, msgspec.Raw(one.answer)))
    return list(replies.items())


def events_of(decided: Iterable[Decided]) -> list[tuple[int, bytes]]:
    """The events of these decisions as records: (partition, body), the partition being the command's."""
    return [
        (one.position.partition, encode(PublishedEvent(f"{one.position}-{n}", one.at_ms, event)))
        for one in decided
        for n, event in enumerate(one.decision.events)
    ]
