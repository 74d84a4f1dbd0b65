"""Sending of commands: admission, append to the partition of the show, and the callback with the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec

from gateway.commands.customers import check_customer
from gateway.commands.hold_limit import HoldLimit
from gateway.commands.log_ends import LogEnds
from gateway.commands.outcomes import OnOutcome, Outcome, StoredDecision
from gateway.commands.pending import AwaitedDecision, PendingRequests
from gateway.commands.sent_command import SentCommand
from gateway.commands.show_partitions import MAX_SHOWS, ShowPartitions
from gateway.commands.tracing import RequestTracing
from gateway.commands.used_keys import is_used
from gateway.http.problems import EncodedProblem, Problem
from gateway.limits.admission import AdmissionControl
from gateway.limits.rate_limits import RateLimit
from runtime.log import Appender
from runtime.metrics import LATENCY_BUCKETS_S, Histogram
from schemas.commands import Command, HoldSeats, ReplyTo, SeatsCommand
from schemas.ids import Position, is_keyed
from schemas.wire import encode

REUSED_KEY_TOKENS = 20.0
"""Tokens of the customer's rate limit that a command costs whose key was used for another request.

Where two seat workers get requests with one key at the same time, one of them decides a whole batch again.
"""


class CommandSender:
    """Sends commands of this gateway through the log.

    `limit` bounds the commands of a customer, `hold_limit` a customer's holds of seats of one show; None: unbounded.
    `tracing` gives records the context of their request; None: tracing is off.
    """

    def __init__(
        self,
        pool: Any,
        appender: Appender,
        pending: PendingRequests,
        admission: AdmissionControl,
        log_ends: LogEnds,
        limit: RateLimit | None = None,
        hold_limit: HoldLimit | None = None,
        tracing: RequestTracing | None = None,
    ) -> None:
        self._pool = pool
        self._appender = appender
        self._pending = pending
        self._admission = admission
        self._limit = limit
        self._hold_limit = hold_limit
        self._tracing = tracing
        self._keyed_holds: set[tuple[UUID, int]] = set()
        """Command id and show of undecided holds that have an Idempotency-Key."""
        self.log_ends = log_ends
        self._partitions = ShowPartitions(pool)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.decision_s = Histogram(LATENCY_BUCKETS_S)
        """Seconds from the append of a command to the arrival of its decision."""
        self.answered_offsets: dict[int, int] = {}
        """Show → offset of the last decision on it that was sent to a waiting client."""

    def overload_problem(self, show_id: int) -> EncodedProblem | None:
        """Returns the rejection of a new request for seats while the gateway is overloaded, otherwise None.

        Confirmations and cancellations are not rejected: they complete what was started.
        """
        return self._admission.overload_problem(show_id)

    async def partition_of(self, show_id: int) -> int:
        """Returns the partition of a show. Raises Problem `not_found`."""
        return await self._partitions.find(show_id)

    def has_to_prepare(self, command: Command) -> bool:
        """Whether `prepare` has something to wait for."""
        if isinstance(command, SeatsCommand) and command.customer_id:
            return True
        hold_limit = self._hold_limit
        return hold_limit is not None and isinstance(command, HoldSeats) and hold_limit.has_to_fetch(command)

    async def prepare(self, command: Command) -> None:
        """Checks the customer that staff name in a command, and fetches the token of a hold. Comes right before `send`.

        Raises Problem `validation`.
        """
        if isinstance(command, SeatsCommand) and command.customer_id:
            await check_customer(self._pool, command.customer_id, command.command_id)
        hold_limit = self._hold_limit
        if hold_limit is not None and isinstance(command, HoldSeats) and hold_limit.has_to_fetch(command):
            await hold_limit.fetch(command)

    def admit(self, command: Command) -> None:
        """Counts a command as in flight. Raises Problem `overloaded` or `rate_limited` when it is rejected."""
        self._spend(command)
        hold_limit = self._hold_limit
        if isinstance(command, HoldSeats) and hold_limit is not None and not hold_limit.try_spend(command):
            raise hold_limit.rejection(command)
        self._enter(command)

    def dismiss(self, command: Command) -> None:
        """Releases an admitted command that is not sent."""
        self._admission.release(command.show_id, command.user_id)
        self._refund(command)

    def send(self, command: Command, *, wait_s: float, on_outcome: OnOutcome) -> None:
        """Appends a command, and calls back with its decision, or with Pending after `wait_s` seconds.

        Raises Problem `overloaded` or `rate_limited`, without a callback, when the command is rejected. Calls back
        with Problem `not_found` for an unknown show, and with `log_unavailable` and `outcome: "unknown"` when the
        log may have the command.
        """
        if isinstance(command, HoldSeats) and self._hold_limit is not None and is_keyed(command.command_id):
            self._send_keyed_hold(command, self._hold_limit, wait_s, on_outcome)
        else:
            self.admit(command)
            self.send_admitted(command, wait_s=wait_s, on_outcome=on_outcome)

    def _send_keyed_hold(
        self, command: HoldSeats, hold_limit: HoldLimit, wait_s: float, on_outcome: OnOutcome
    ) -> None:
        """Sends a hold that may be a repeat. A repeat needs no token; the key is looked up only without one.

        An undecided hold is repeated only in its show, whose commands are decided in the order of the log. Of two holds
        with one key in different shows, the later one may be decided first, and accepted.
        """
        self._spend(command)
        repeats = _keyed(command) in self._keyed_holds
        if repeats:
            hold_limit.overdraw(command)
        elif not hold_limit.try_spend(command):
            self._admission.admit(command.show_id, command.user_id)
            self._start(self._send_if_repeat(command, hold_limit, wait_s, on_outcome))
            return
        self._enter(command)
        self.send_admitted(command, wait_s=wait_s, on_outcome=on_outcome)

    async def _send_if_repeat(
        self, command: HoldSeats, hold_limit: HoldLimit, wait_s: float, on_outcome: OnOutcome
    ) -> None:
        try:
            if not await is_used(self._pool, command.command_id):
                raise hold_limit.rejection(command)
        except Exception as error:
            self._admission.release(command.show_id, command.user_id, decided=False)
            on_outcome(error)
            return
        hold_limit.overdraw(command)
        self.send_admitted(command, wait_s=wait_s, on_outcome=on_outcome)

    def _spend(self, command: Command) -> None:
        if self._limit is not None and not command.staff:
            self._limit.spend(command.user_id)

    def _enter(self, command: Command) -> None:
        try:
            self._admission.admit(command.show_id, command.user_id)
        except Problem:
            self._refund(command)
            raise

    def _refund(self, command: Command) -> None:
        """Returns the token of a command that certainly took no seats."""
        if isinstance(command, HoldSeats) and self._hold_limit is not None:
            self._hold_limit.refund(command)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send_admitted(self, command: Command, *, wait_s: float, on_outcome: OnOutcome) -> None:
        """Sends a command that was admitted before, as `send` does."""
        partition = self._partitions.known.get(command.show_id)
        if partition is not None:
            self._append(command, partition, wait_s, on_outcome)
            return
        self._start(self._find_and_append(command, wait_s, on_outcome))

    async def submit(self, command: Command, *, wait_s: float) -> Outcome:
        """Sends a command and awaits its outcome. Raises Problem."""
        result: asyncio.Future[Outcome] = self._loop.create_future()

        def on_outcome(outcome: Outcome | BaseException) -> None:
            if result.done():
                return  # the caller was cancelled
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)

        self.send(command, wait_s=wait_s, on_outcome=on_outcome)
        return await result

    async def await_decision(self, position: Position, wait_s: float) -> StoredDecision | None:
        """Awaits the decision at a position; None when it does not arrive within `wait_s` seconds."""
        awaited = AwaitedDecision()
        self._pending.add(awaited, wait_s)
        self._pending.set_position(awaited, position)
        try:
            return await awaited.outcome
        finally:
            self._pending.remove(awaited)

    async def _find_and_append(self, command: Command, wait_s: float, on_outcome: OnOutcome) -> None:
        try:
            partition = await self._partitions.find(command.show_id)
        except Exception as error:
            self._admission.release(command.show_id, command.user_id, decided=False)
            self._refund(command)
            on_outcome(error)
        else:
            self._append(command, partition, wait_s, on_outcome)

    def _append(self, command: Command, partition: int, wait_s: float, on_outcome: OnOutcome) -> None:
        sent = SentCommand(self, command, partition, on_outcome, waits=wait_s > 0)
        if isinstance(command, HoldSeats) and self._hold_limit is not None and is_keyed(command.command_id):
            self._keyed_holds.add(_keyed(command))
        self._pending.add(sent, wait_s)
        reply_to = ReplyTo(self._pending.gateway_id, sent.number)
        body = encode(msgspec.structs.replace(command, reply_to=reply_to))
        if self._tracing is not None:
            body = self._tracing.carried(command.command_id, body)
        self._appender.append(partition, body).add_done_callback(sent.on_appended)

    # --- callbacks of SentCommand ---

    def command_appended(self, sent: SentCommand, position: Position) -> None:
        """Notes the position of a command in the log."""
        self._pending.set_position(sent, position)

    def command_decided(self, sent: SentCommand, stored: StoredDecision, *, awaited: bool) -> None:
        """Settles a decided command. `awaited`: its outcome is about to be sent to a client."""
        self.decision_s.observe(time.perf_counter() - sent.sent_s)
        command, offset = sent.command, stored.position.offset
        self._admission.release(command.show_id, command.user_id)
        if isinstance(command, HoldSeats) and self._hold_limit is not None:
            self._hold_limit.settle(command, stored)
            self._keyed_holds.discard(_keyed(command))
        if stored.key_reused and self._limit is not None and not command.staff:
            self._limit.adjust(command.user_id, 1.0 - REUSED_KEY_TOKENS)
        if awaited:
            if len(self.answered_offsets) >= MAX_SHOWS:
                self.answered_offsets.clear()
            self.answered_offsets[command.show_id] = offset

    def command_timed_out(self, position: Position) -> None:
        """Notes a position whose client is about to be answered that it is pending."""
        self.log_ends.add(position)

    def command_not_appended(self, sent: SentCommand, *, certain: bool) -> bool:
        """Settles a command whose append failed. Returns False when it has been decided all the same."""
        undecided = self._pending.remove(sent)
        if undecided:
            command = sent.command
            self._admission.release(command.show_id, command.user_id, decided=False)
            if isinstance(command, HoldSeats):
                self._keyed_holds.discard(_keyed(command))
                if certain:
                    self._refund(command)
        return undecided


def _keyed(hold: HoldSeats) -> tuple[UUID, int]:
    return hold.command_id, hold.show_id
