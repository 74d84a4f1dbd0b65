"""The command ids that a worker remembers, so that most repeats are recognised without a read.

What is not remembered is caught by the unique index on `command_ids` at the commit.
"""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

import msgspec

from schemas.commands import Command, request_of
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import decode_command, decode_decision

ID_LIFETIME_MS = 48 * 3600 * 1000
"""How long a command id counts, in log time."""


class FirstDecision(msgspec.Struct, frozen=True):
    """The first decision on a command id. Command and answer stay in stored form: small, and rarely read."""

    position: Position
    at_ms: int
    command: bytes
    answer: bytes

    def is_before(self, position: Position) -> bool:
        """Whether this stands before a position, as far as two partitions can be compared.

        Nothing is remembered that was not committed; should it be all the same, a command must not be taken
        for a repeat of itself.
        """
        return self.position.partition != position.partition or self.position.offset < position.offset

    def answer_to(self, command: Command) -> Decision:
        """What a later command with the same id is answered: the same, or that its key was used before."""
        if request_of(decode_command(self.command)) != request_of(command):
            return Decision(Reason.KEY_REUSED)
        first = decode_decision(self.answer)
        return msgspec.structs.replace(
            first, events=(), about_last=False, booking_apart=first.booking, repeats=self.position
        )


class RecentCommandIds:
    """The newest ids, at most `limit`; always more than the batches that are not committed yet can hold."""

    def __init__(self, limit: int = 32_768) -> None:
        self._limit = limit
        # By the ids' numbers, which hash faster. A plain dict forgets its oldest slowly.
        self._firsts: OrderedDict[int, FirstDecision] = OrderedDict()

    def find(self, command_id: UUID, now_ms: int) -> FirstDecision | None:
        """The first decision on this id, unless that is so long ago that the id counts no more."""
        first = self._firsts.get(command_id.int)
        if first is not None and first.at_ms < now_ms - ID_LIFETIME_MS:
            return None
        return first

    def remember(self, command_id: UUID, first: FirstDecision) -> None:
        firsts, number = self._firsts, command_id.int
        firsts[number] = first
        firsts.move_to_end(number)
        if len(firsts) > self._limit:
            firsts.popitem(last=False)

    def forget(self, command_id: UUID) -> None:
        self._firsts.pop(command_id.int, None)
