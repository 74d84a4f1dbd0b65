"""Recent command ids in memory, so that most repeats are recognised without a read.

Repeats of older ids are found at the commit, by the unique index on `command_ids`.
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
"""Lifetime of a command id, in log time. After it, the id may be used anew."""


class FirstDecision(msgspec.Struct, frozen=True):
    """The first decision on a command id. Command and answer keep their stored form: small, and rarely read."""

    position: Position
    at_ms: int
    command: bytes
    answer: bytes

    def is_before(self, position: Position) -> bool:
        """Whether this is not the decision at `position` itself, nor a later one of the same partition.

        Defensive: a command never counts as a repeat of itself.
        """
        return self.position.partition != position.partition or self.position.offset < position.offset

    def answer_to(self, command: Command) -> Decision:
        """The decision on a later command with the same id: the same answer, or `key_reused` for another request."""
        if request_of(decode_command(self.command)) != request_of(command):
            return Decision(Reason.KEY_REUSED)
        first = decode_decision(self.answer)
        return msgspec.structs.replace(
            first, events=(), about_last=False, booking_apart=first.booking, repeats=self.position
        )


class RecentCommandIds:
    """The newest ids with their first decisions, at most `limit`: more than all uncommitted batches can hold."""

    def __init__(self, limit: int = 32_768) -> None:
        self._limit = limit
        # Keys are the ids' numbers, which hash faster. A plain dict is slow to remove its oldest entry.
        self._firsts: OrderedDict[int, FirstDecision] = OrderedDict()

    def find(self, command_id: UUID, now_ms: int) -> FirstDecision | None:
        """The first decision on this id, unless the id has expired."""
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
