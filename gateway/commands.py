"""Commands on their way: to the partition of their show, into the log, and back with a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.booking_customers import check_customer
from gateway.limits import InFlight
from gateway.problems import Problem, Refusal
from gateway.rate_limits import Limit
from gateway.replies import Awaited, Decided, Replies, Waiting
from runtime.log import Appender, LogUnavailable
from schemas.commands import Command, ReplyTo, SeatsAsked
from schemas.ids import Position
from schemas.wire import encode

__all__ = ["Commands", "Decided", "Outcome", "Pending"]

_PARTITION = "SELECT partition FROM shows WHERE show_id = $1"
_MAX_SHOWS_KNOWN = 200_000


class Pending(msgspec.Struct, frozen=True):
    """A command that is in the log and will be decided, but was not in time."""

    position: Position


Outcome = Decided | Pending
Tell = Callable[[Outcome | BaseException], None]
"""Takes what became of a command, or why nothing is known of it. Called once; raises nothing."""


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
        self._loop = asyncio.get_running_loop()
        self._looking: set[asyncio.Task[None]] = set()
        self.told: dict[int, int] = {}
        """Show → the offset of the last decision on it that somebody here waited for."""

    def refused_for_now(self, show_id: int) -> Refusal | None:
        """What is answered to whoever wants seats of this show while too many wait; None: there is room.

        Confirming and cancelling have none of this: they end what was begun.
        """
        return self._in_flight.refused_for_now(show_id)

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

    async def check_customer(self, command: Command) -> None:
        """Passes a command whose customer, where staff name one, has an account. Raises Problem."""
        if isinstance(command, SeatsAsked) and command.customer_id:
            await check_customer(self._pool, command.customer_id, command.command_id)

    def admit(self, command: Command) -> None:
        """Counts a command as under way. Raises Problem, where it is not to be sent: `overloaded`, `rate_limited`."""
        if self._limit is not None and not command.staff:
            self._limit.spend(command.user_id)
        self._in_flight.enter(command.show_id, command.user_id)

    def dismiss(self, command: Command) -> None:
        """An admitted command is not sent: its question was answered otherwise."""
        self._in_flight.leave(command.show_id, command.user_id)

    def send(self, command: Command, *, wait_s: float, tell: Tell) -> None:
        """Appends a command and tells its decision, or after `wait_s` seconds that it has none yet.

        Raises Problem, and tells nothing, where nothing was taken: `overloaded`, `rate_limited`. Tells Problem
        `not_found` for an unknown show, `log_unavailable` with `outcome: "unknown"` where the log may have it
        all the same.
        """
        self.admit(command)
        self.send_admitted(command, wait_s=wait_s, tell=tell)

    def send_admitted(self, command: Command, *, wait_s: float, tell: Tell) -> None:
        """As `send`, for a command that is admitted."""
        partition = self._partitions.get(command.show_id)
        if partition is not None:
            self._append(command, partition, wait_s, tell)
            return
        task = self._loop.create_task(self._find_and_append(command, wait_s, tell))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def submit(self, command: Command, *, wait_s: float) -> Outcome:
        """As `send`, for who awaits the outcome. Raises Problem."""
        told: asyncio.Future[Outcome] = self._loop.create_future()

        def tell(outcome: Outcome | BaseException) -> None:
            if told.done():
                return  # who waited has gone
            if isinstance(outcome, BaseException):
                told.set_exception(outcome)
            else:
                told.set_result(outcome)

        self.send(command, wait_s=wait_s, tell=tell)
        return await told

    async def decided(self, position: Position, wait_s: float) -> Decided | None:
        """The decision at a position, waited for; None when it was not there in time."""
        awaited = Awaited()
        self._replies.expect(awaited, wait_s)
        self._replies.placed(awaited, position)
        try:
            return await awaited.outcome
        finally:
            self._replies.forget(awaited)

    async def _find_and_append(self, command: Command, wait_s: float, tell: Tell) -> None:
        try:
            partition = await self.partition_of(command.show_id)
        except Exception as error:
            self._in_flight.leave(command.show_id, command.user_id, decided=False)
            tell(error)
        else:
            self._append(command, partition, wait_s, tell)

    def _append(self, command: Command, partition: int, wait_s: float, tell: Tell) -> None:
        sent = _Sent(self, command, partition, tell, waits=wait_s > 0)
        self._replies.expect(sent, wait_s)
        reply_to = ReplyTo(self._replies.gateway, sent.number)
        body = encode(msgspec.structs.replace(command, reply_to=reply_to))
        self._appender.append(partition, body).add_done_callback(sent.appended)

    def decided_for(self, sent: _Sent, offset: int, *, awaited: bool) -> None:
        """A command is decided, and maybe somebody is about to be told."""
        self._in_flight.leave(sent.show_id, sent.user_id)
        if awaited:
            if len(self.told) >= _MAX_SHOWS_KNOWN:
                self.told.clear()
            self.told[sent.show_id] = offset

    def placed(self, sent: _Sent, position: Position) -> None:
        """A command stands in the log."""
        self._replies.placed(sent, position)

    def lost(self, sent: _Sent) -> bool:
        """A command is not in the log, or nobody knows. Says whether it is also not decided."""
        lost = self._replies.forget(sent)
        if lost:
            self._in_flight.leave(sent.show_id, sent.user_id, decided=False)
        return lost


class _Sent(Waiting):
    """A command between append and decision, and whom to tell."""

    __slots__ = ("_command", "_commands", "_late", "_partition", "_tell", "_waits")

    def __init__(
        self, commands: Commands, command: Command, partition: int, tell: Tell, *, waits: bool
    ) -> None:
        super().__init__()
        self._commands = commands
        self._command = command
        self._partition = partition
        self._tell: Tell | None = tell
        self._waits = waits
        self._late = not waits

    @property
    def show_id(self) -> int:
        return self._command.show_id

    @property
    def user_id(self) -> int:
        return self._command.user_id

    def appended(self, answer: asyncio.Future[int]) -> None:
        """The log has answered."""
        error = _unanswered() if answer.cancelled() else answer.exception()
        if error is None:
            self._commands.placed(self, Position(self._partition, answer.result()))
            if self._late:
                self.time_is_up()
        elif self._commands.lost(self):
            self._say(_not_appended(error, self._command) if isinstance(error, LogUnavailable) else error)

    def decided(self, decided: Decided) -> None:
        awaited = self._waits and self._tell is not None
        self._commands.decided_for(self, decided.position.offset, awaited=awaited)
        # Who does not wait is told alike, also where the decision is quicker than the log's answer.
        self._say(decided if self._waits else Pending(decided.position))

    def time_is_up(self) -> None:
        if self.position is None:
            self._late = True
        else:
            self._say(Pending(self.position))

    def _say(self, outcome: Outcome | BaseException) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)


def _unanswered() -> LogUnavailable:
    return LogUnavailable("the log was closed before it answered", outcome_unknown=True)


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
