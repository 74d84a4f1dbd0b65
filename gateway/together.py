"""One answer for all who ask for the same seats in the same moment.

In a rush many want the same few seats, and all but one are refused. Of the requests that a gateway reads in one go,
one for each wish is sent into the log. When it is refused for a reason that holds for everybody, so are the others,
with the same words: each came before that command was appended, so that the refusal is not older than the request;
sent right behind it, each would have been refused alike. When it is accepted, the next one is sent; when it is
refused for a reason of its own, all the others are.

Only for requests without an Idempotency-Key, whose answer would have to be stored, that name their seats and wait for
their answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import NamedTuple

from gateway.commands import Commands, Decided, Outcome, Tell
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Reason

HOLDS_FOR_ALL = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.SHOW_CLOSED,
        Reason.SHOW_CANCELLED,
        Reason.NOT_ON_SALE,
        Reason.SHOW_STARTED,
        Reason.SEAT_UNKNOWN,
        Reason.SEAT_TAKEN,
        Reason.SEAT_BLOCKED,
    }
)
"""Reasons that do not depend on who asks. They come before the others: see decide."""


class _Asked(NamedTuple):
    command: BookSeats | HoldSeats
    tell: Tell
    until: float
    """In seconds of the loop's clock: so long is its decision waited for."""


_Wish = tuple[type, int, tuple[str, ...], float]
"""What is asked for: booking or holding, of which show, which seats as a set; and for how long it may be waited."""


class Together:
    """Sends commands for seats, one for all that want the same."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._loop = asyncio.get_running_loop()
        self._came: dict[_Wish, deque[_Asked]] = {}

    def send(self, command: BookSeats | HoldSeats, *, wait_s: float, tell: Tell) -> None:
        """As Commands.send."""
        self._commands.admit(command)
        if not self._came:
            self._loop.call_soon(self._send_all)
        seats = command.seats if len(command.seats) == 1 else tuple(sorted(command.seats))
        wish = (type(command), command.show_id, seats, wait_s)
        came = self._came.get(wish)
        if came is None:
            came = self._came[wish] = deque()
        came.append(_Asked(command, tell, self._loop.time() + wait_s))

    def _send_all(self) -> None:
        """Everything that was there to be read has been read."""
        all_came, self._came = self._came, {}
        for came in all_came.values():
            self._send_first(came)

    def _send_first(self, came: deque[_Asked]) -> None:
        first = came.popleft()
        self._send(first, partial(self._told, first, came))

    def _send(self, one: _Asked, tell: Tell) -> None:
        left_s = max(0.0, one.until - self._loop.time())
        self._commands.send_admitted(one.command, wait_s=left_s, tell=tell)

    def _told(self, first: _Asked, others: deque[_Asked], outcome: Outcome | BaseException) -> None:
        first.tell(outcome)
        if not others:
            return
        reason = outcome.decision.reason if isinstance(outcome, Decided) else Reason.INTERNAL_ERROR
        if reason is None:
            self._send_first(others)
        elif reason in HOLDS_FOR_ALL:
            for one in others:
                self._commands.dismiss(one.command)
                one.tell(outcome)
        else:
            # Nothing is known of the others' fate, also where the first is not decided: each is sent for itself.
            for one in others:
                self._send(one, one.tell)
