"""Commands on their way: to the partition of their show, into the log, and back with a decision."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.limits import InFlight
from gateway.problems import Problem
from gateway.rate_limits import Limit
from gateway.replies import Decided, Replies
from runtime.log import Appender, LogUnavailable
from schemas.commands import Command, ReplyTo
from schemas.ids import Position
from schemas.wire import encode

__all__ = ["Commands", "Decided", "Outcome", "Pending"]

_PARTITION = "SELECT partition FROM shows WHERE show_id = $1"
_MAX_SHOWS_KNOWN = 200_000


class Pending(msgspec.Struct, frozen=True):
    """A command that is in the log and will be decided, but was not in time."""

    position: Position


Outcome = Decided | Pending


class Commands:
    """Sends commands of this gateway through the log. `limit` is how often a customer may; None: always."""

    def __init__(
        self, pool: Any, appender: Appender, replies: Replies, in_flight: InFlight, limit: Limit | None = None
    ) -> None:
        self._pool = pool
        self._appender = appender
        self._replies = replies
        self._in_flight = in_flight
        self._limit = limit
        self._partitions: dict[int, int] = {}
        self.told: dict[int, int] = {}
        """Show → the offset of the last decision on it that somebody here waited for."""

    async def partition_of(self, show_id: int) -> int:
        """The partition that a show has for good. Raises Problem `not_found`."""
        partition = self._partitions.get(show_id)
        if partition is None:
            partition = await self._pool.fetchval(_PARTITION, show_id)
            if partition is None:
                raise Problem("not_found", f"There is no show {show_id}; GET /api/shows lists them.")
            if len(self._partitions) >= _MAX_SHOWS_KNOWN:
                self._partitions.clear()
            self._partitions[show_id] = partition
        return partition

    async def submit(self, command: Command, *, wait_s: float) -> Outcome:
        """Appends a command and waits up to `wait_s` seconds for its decision.

        Raises Problem: `not_found` for an unknown show, `overloaded` and `rate_limited` when nothing was
        taken, `log_unavailable` with `outcome: "unknown"` where the log may have it all the same.
        """
        show_id, user_id = command.show_id, command.user_id
        if self._limit is not None and not command.staff:
            self._limit.spend(user_id)
        partition = await self.partition_of(show_id)
        self._in_flight.enter(show_id, user_id)
        waiting = self._replies.expect(wait_s, lambda: self._in_flight.leave(show_id, user_id))
        reply_to = ReplyTo(self._replies.gateway, waiting.number)
        try:
            body = encode(msgspec.structs.replace(command, reply_to=reply_to))
            position = Position(partition, await self._appender.append(partition, body))
        except LogUnavailable as error:
            self._replies.forget(waiting)
            raise _not_appended(error, command) from error
        except BaseException:
            self._replies.forget(waiting)
            raise
        self._replies.placed(waiting, position)
        if wait_s <= 0:
            # Also where the decision was quicker than the log's answer: who does not wait is always told alike.
            return Pending(position)
        decided = await waiting.outcome
        if decided is None:
            return Pending(position)
        if len(self.told) >= _MAX_SHOWS_KNOWN:
            self.told.clear()
        self.told[show_id] = position.offset
        return decided

    async def decided(self, position: Position, wait_s: float) -> Decided | None:
        """The decision at a position, waited for; None when it was not there in time."""
        waiting = self._replies.expect(wait_s)
        self._replies.placed(waiting, position)
        try:
            return await waiting.outcome
        finally:
            self._replies.forget(waiting)


def _not_appended(error: LogUnavailable, command: Command) -> Problem:
    if not error.outcome_unknown:
        return Problem(
            "log_unavailable", "Not taken: the log does not answer. Try again in a moment.", retry_after_s=2
        )
    extra: dict[str, Any] = {"outcome": "unknown"}
    booking_id = getattr(command, "booking_id", None)
    if booking_id is not None:
        extra["booking_id"] = str(booking_id)
    return Problem(
        "log_unavailable",
        "The log may or may not have taken this. Send it again with the same Idempotency-Key: it is never"
        " done twice. Without a key, look at your bookings first.",
        retry_after_s=2,
        extra=extra,
    )
