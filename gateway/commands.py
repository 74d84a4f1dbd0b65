"""Commands on their way: to the partition of their show, into the log, and back with a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import msgspec

from gateway.booking_customers import check_customer
from gateway.hold_limits import HoldLimit
from gateway.limits import InFlight
from gateway.log_ends import LogEnds
from gateway.problems import Problem, Refusal
from gateway.rate_limits import Limit
from gateway.replies import Awaited, Decided, Replies, Waiting
from gateway.used_keys import is_used
from runtime.log import Appender, LogUnavailable
from schemas.commands import Command, HoldSeats, ReplyTo, SeatsAsked
from schemas.ids import Position, is_keyed
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
    """Sends commands of this gateway through the log.

    `limit` is how often a customer may, `hold_limit` how often they may hold seats of one show; None: always.
    """

    def __init__(
        self,
        pool: Any,
        appender: Appender,
        replies: Replies,
        in_flight: InFlight,
        ends: LogEnds,
        limit: Limit | None = None,
        hold_limit: HoldLimit | None = None,
    ) -> None:
        self._pool = pool
        self._appender = appender
        self._replies = replies
        self._in_flight = in_flight
        self._limit = limit
        self._hold_limit = hold_limit
        self._keyed_holds: set[UUID] = set()
        """Ids of holds with a key that are not decided yet."""
        self.ends = ends
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
        self._spend(command)
        hold_limit = self._hold_limit
        if isinstance(command, HoldSeats) and hold_limit is not None and not hold_limit.spent(command):
            raise hold_limit.refused(command)
        self._enter(command)

    def dismiss(self, command: Command) -> None:
        """An admitted command is not sent: its question was answered otherwise."""
        self._in_flight.leave(command.show_id, command.user_id)
        self._give_back(command)

    def send(self, command: Command, *, wait_s: float, tell: Tell) -> None:
        """Appends a command and tells its decision, or after `wait_s` seconds that it has none yet.

        Raises Problem, and tells nothing, where nothing was taken: `overloaded`, `rate_limited`. Tells Problem
        `not_found` for an unknown show, `log_unavailable` with `outcome: "unknown"` where the log may have it
        all the same.
        """
        if isinstance(command, HoldSeats) and self._hold_limit is not None and is_keyed(command.command_id):
            self._send_keyed_hold(command, self._hold_limit, wait_s, tell)
        else:
            self.admit(command)
            self.send_admitted(command, wait_s=wait_s, tell=tell)

    def _send_keyed_hold(self, command: HoldSeats, hold_limit: HoldLimit, wait_s: float, tell: Tell) -> None:
        """A repeat gets its answer also where there is no token: only then the key is looked up."""
        self._spend(command)
        repeats = command.command_id in self._keyed_holds
        if repeats:
            hold_limit.owe(command)
        elif not hold_limit.spent(command):
            self._in_flight.enter(command.show_id, command.user_id)
            self._start(self._send_if_repeat(command, hold_limit, wait_s, tell))
            return
        self._enter(command)
        self.send_admitted(command, wait_s=wait_s, tell=tell)

    async def _send_if_repeat(
        self, command: HoldSeats, hold_limit: HoldLimit, wait_s: float, tell: Tell
    ) -> None:
        try:
            if not await is_used(self._pool, command.command_id):
                raise hold_limit.refused(command)
        except Exception as error:
            self._in_flight.leave(command.show_id, command.user_id, decided=False)
            tell(error)
            return
        hold_limit.owe(command)
        self.send_admitted(command, wait_s=wait_s, tell=tell)

    def _spend(self, command: Command) -> None:
        if self._limit is not None and not command.staff:
            self._limit.spend(command.user_id)

    def _enter(self, command: Command) -> None:
        try:
            self._in_flight.enter(command.show_id, command.user_id)
        except Problem:
            self._give_back(command)
            raise

    def _give_back(self, command: Command) -> None:
        """A command certainly took nothing."""
        if isinstance(command, HoldSeats) and self._hold_limit is not None:
            self._hold_limit.give_back(command)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    def send_admitted(self, command: Command, *, wait_s: float, tell: Tell) -> None:
        """As `send`, for a command that is admitted."""
        partition = self._partitions.get(command.show_id)
        if partition is not None:
            self._append(command, partition, wait_s, tell)
            return
        self._start(self._find_and_append(command, wait_s, tell))

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
            self._give_back(command)
            tell(error)
        else:
            self._append(command, partition, wait_s, tell)

    def _append(self, command: Command, partition: int, wait_s: float, tell: Tell) -> None:
        sent = _Sent(self, command, partition, tell, waits=wait_s > 0)
        if isinstance(command, HoldSeats) and self._hold_limit is not None and is_keyed(command.command_id):
            self._keyed_holds.add(command.command_id)
        self._replies.expect(sent, wait_s)
        reply_to = ReplyTo(self._replies.gateway, sent.number)
        body = encode(msgspec.structs.replace(command, reply_to=reply_to))
        self._appender.append(partition, body).add_done_callback(sent.appended)

    def decided_for(self, sent: _Sent, decided: Decided, *, awaited: bool) -> None:
        """A command is decided, and maybe somebody is about to be told."""
        self._in_flight.leave(sent.show_id, sent.user_id)
        command, offset = sent.command, decided.position.offset
        if isinstance(command, HoldSeats) and self._hold_limit is not None:
            self._hold_limit.decided(command, decided)
            self._keyed_holds.discard(command.command_id)
        if awaited:
            if len(self.told) >= _MAX_SHOWS_KNOWN:
                self.told.clear()
            self.told[sent.show_id] = offset

    def placed(self, sent: _Sent, position: Position) -> None:
        """A command stands in the log."""
        self._replies.placed(sent, position)

    def lost(self, sent: _Sent, *, certainly: bool) -> bool:
        """A command is not in the log, or nobody knows. Says whether it is also not decided."""
        lost = self._replies.forget(sent)
        if lost:
            self._in_flight.leave(sent.show_id, sent.user_id, decided=False)
            if isinstance(sent.command, HoldSeats):
                self._keyed_holds.discard(sent.command.command_id)
                if certainly:
                    self._give_back(sent.command)
        return lost


class _Sent(Waiting):
    """A command between append and decision, and whom to tell."""

    __slots__ = ("_commands", "_late", "_partition", "_tell", "_waits", "command")

    def __init__(
        self, commands: Commands, command: Command, partition: int, tell: Tell, *, waits: bool
    ) -> None:
        super().__init__()
        self._commands = commands
        self.command = command
        self._partition = partition
        self._tell: Tell | None = tell
        self._waits = waits
        self._late = not waits

    @property
    def show_id(self) -> int:
        return self.command.show_id

    @property
    def user_id(self) -> int:
        return self.command.user_id

    def appended(self, answer: asyncio.Future[int]) -> None:
        """The log has answered."""
        error = _unanswered() if answer.cancelled() else answer.exception()
        if error is None:
            self._commands.placed(self, Position(self._partition, answer.result()))
            if self._late:
                self.time_is_up()
        elif self._commands.lost(
            self, certainly=isinstance(error, LogUnavailable) and not error.outcome_unknown
        ):
            self._say(_not_appended(error, self.command) if isinstance(error, LogUnavailable) else error)

    def decided(self, decided: Decided) -> None:
        awaited = self._waits and self._tell is not None
        self._commands.decided_for(self, decided, awaited=awaited)
        # Who does not wait is told alike, also where the decision is quicker than the log's answer.
        self._say(decided if self._waits else Pending(decided.position))

    def time_is_up(self) -> None:
        if self.position is None:
            self._late = True
        else:
            self._commands.ends.given(self.position)
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
