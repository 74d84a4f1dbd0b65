"""Outcomes of a command that was sent: its decision, or that it is still pending."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.events import Decision
from schemas.ids import Position
from schemas.wire import decode_decision


class StoredDecision(msgspec.Struct, frozen=True):
    """A decision in its stored form, and the position of its command."""

    position: Position
    answer: bytes

    @property
    def decision(self) -> Decision:
        """The decision, decoded anew each time."""
        decision: Decision = decode_decision(self.answer)
        return decision

    @property
    def refused(self) -> bool:
        """Whether the command was refused. The reason is the first field, and left out where there is none."""
        return self.answer.startswith(b'{"reason"')

    @property
    def key_reused(self) -> bool:
        """Whether the command was refused because its Idempotency-Key was used for another request."""
        return self.answer.startswith(b'{"reason":"key_reused"')


class Pending(msgspec.Struct, frozen=True):
    """A command that is in the log and was not decided within the time that its client waits."""

    position: Position


Outcome = StoredDecision | Pending
OnOutcome = Callable[[Outcome | BaseException], None]
"""Callback for the outcome of a command, or for the error that left it unknown. Called once; never raises."""
