"""Replies of seat workers over Redis: one message per gateway and batch, with the decisions of its requests.

Seat changes come over the same connection, because Redis keeps the order of messages only within one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec
import redis.exceptions
import structlog

from gateway.commands.pending import PendingRequests
from runtime.backends import Backend
from runtime.retries import Backoff
from schemas.wire import SEATS_CHANNEL, decode_replies, replies_channel

_RETRY_S = 0.25
_LONGEST_RETRY_S = 2.0
_SEATS = SEATS_CHANNEL.encode()

_log = structlog.get_logger()


class SeatChangeListener(Protocol):
    """Receiver of seat changes. A change arrives before the reply to the command that caused it."""

    def subscribed(self) -> None:
        """Every change is received from now on."""

    def unsubscribed(self) -> None:
        """Changes are no longer received."""

    def receive(self, message: bytes) -> None:
        """Applies one message of seat changes. Raises msgspec.MsgspecError for an invalid one."""

    def invalidate(self) -> None:
        """A decision was found in another way, and may be ahead of the changes received."""


class ReplyListener:
    """Subscriber of the replies to this gateway, and of seat changes."""

    def __init__(
        self, redis_client: Any, pending: PendingRequests, seat_changes: SeatChangeListener | None = None
    ) -> None:
        self._redis = redis_client
        self._pending = pending
        self._seat_changes = seat_changes

    async def run(self) -> None:
        """Receives replies until cancelled. While Redis is away, decisions are looked up in PostgreSQL."""
        seat_changes, pending = self._seat_changes, self._pending
        backoff = Backoff(_RETRY_S, _LONGEST_RETRY_S)
        server = Backend("redis", "subscribe")
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=seat_changes is None)
            try:
                await pubsub.subscribe(replies_channel(pending.gateway_id))
                if seat_changes is not None:
                    await pubsub.subscribe(SEATS_CHANNEL)
                backoff.reset()
                server.works()
                async for message in pubsub.listen():
                    try:
                        if seat_changes is not None and _handle_seat_message(message, seat_changes):
                            continue
                        for reply in decode_replies(message["data"]):
                            pending.received += pending.resolve(reply.request, reply.position, reply.decision)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                        # Skipped: decisions are looked up, seat maps are read again.
                        _log.error("invalid_message_skipped", error=str(error))
                        if seat_changes is not None:
                            seat_changes.invalidate()
            except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
                server.failed()
                pause_s = backoff.next_s()
                _log.warning("redis_disconnected", error=str(error), retry_s=pause_s)
                await asyncio.sleep(pause_s)
            finally:
                if seat_changes is not None:
                    seat_changes.unsubscribed()
                await _close(pubsub)


def _handle_seat_message(message: dict[str, Any], seat_changes: SeatChangeListener) -> bool:
    """Passes seat changes, and the subscription to them, to `seat_changes`. Returns False for a reply."""
    if message["type"] != "message":
        if message["type"] == "subscribe" and message["channel"] == _SEATS:
            seat_changes.subscribed()
        return True
    if message["channel"] != _SEATS:
        return False
    seat_changes.receive(message["data"])
    return True


async def _close(pubsub: Any) -> None:
    try:
        await pubsub.aclose()
    except (redis.exceptions.RedisError, OSError):
        pass
