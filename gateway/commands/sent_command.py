"""A command between append and decision."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from gateway.commands.append_errors import append_cancelled, append_problem
from gateway.commands.outcomes import OnOutcome, Outcome, Pending, StoredDecision
from gateway.commands.pending import PendingRequest
from runtime.log import LogUnavailable
from schemas.commands import Command
from schemas.ids import Position


class CommandAccounting(Protocol):
    """The sender of a command, which keeps its counts and tokens."""

    def command_appended(self, sent: SentCommand, position: Position) -> None:
        """Notes the position of a command in the log."""

    def command_decided(self, sent: SentCommand, stored: StoredDecision, *, awaited: bool) -> None:
        """Settles a decided command. `awaited`: its outcome is about to be sent to a client."""

    def command_timed_out(self, position: Position) -> None:
        """Notes a position whose client is about to be answered that it is pending."""

    def command_not_appended(self, sent: SentCommand, *, certain: bool) -> bool:
        """Settles a command whose append failed. Returns False when it has been decided all the same."""


class SentCommand(PendingRequest):
    """A command that was sent, and the callback for its outcome."""

    __slots__ = ("_accounting", "_on_outcome", "_partition", "_timed_out", "_waits", "command", "sent_s")

    def __init__(
        self,
        accounting: CommandAccounting,
        command: Command,
        partition: int,
        on_outcome: OnOutcome,
        *,
        waits: bool,
    ) -> None:
        super().__init__()
        self._accounting = accounting
        self.command = command
        self._partition = partition
        self._on_outcome: OnOutcome | None = on_outcome
        self._waits = waits
        self._timed_out = not waits
        self.sent_s = time.perf_counter()

    def on_appended(self, append: asyncio.Future[int]) -> None:
        """Callback for the result of the append: the offset, or an error."""
        error = append_cancelled() if append.cancelled() else append.exception()
        if error is None:
            self._accounting.command_appended(self, Position(self._partition, append.result()))
            if self._timed_out:
                self.on_timeout()
        elif self._accounting.command_not_appended(
            self, certain=isinstance(error, LogUnavailable) and not error.outcome_unknown
        ):
            self._finish(append_problem(error, self.command) if isinstance(error, LogUnavailable) else error)

    def on_decision(self, stored: StoredDecision) -> None:
        awaited = self._waits and self._on_outcome is not None
        self._accounting.command_decided(self, stored, awaited=awaited)
        # A client that does not wait gets the same outcome when the decision arrives before the append's result.
        self._finish(stored if self._waits else Pending(stored.position))

    def on_timeout(self) -> None:
        if self.position is None:
            self._timed_out = True
        else:
            self._accounting.command_timed_out(self.position)
            self._finish(Pending(self.position))

    def _finish(self, outcome: Outcome | BaseException) -> None:
        on_outcome, self._on_outcome = self._on_outcome, None
        if on_outcome is not None:
            on_outcome(outcome)
