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
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gateway.commands.sender import CommandSender, OnOutcome, Outcome, StoredDecision
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Reason

SHARED_REASONS = frozenset(
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
    on_outcome: OnOutcome


_Wish = tuple[type, int, tuple[str, ...], float]
"""What is asked for: booking or holding, of which show, which seats as a set; and for how long it may be waited."""


class RequestCoalescer:
    """Sends commands for seats, one for all that want the same. `clock` tells seconds."""

    def __init__(self, commands: CommandSender, clock: Callable[[], float] = time.monotonic) -> None:
        self._commands = commands
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._came: dict[_Wish, deque[_Asked]] = {}

    def send(self, command: BookSeats | HoldSeats, *, wait_s: float, on_outcome: OnOutcome) -> None:
        """As Commands.send."""
        self._commands.admit(command)
        if not self._came:
            self._loop.call_soon(self._send_all)
        seats = command.seats if len(command.seats) == 1 else tuple(sorted(command.seats))
        wish = (type(command), command.show_id, seats, wait_s)
        came = self._came.get(wish)
        if came is None:
            came = self._came[wish] = deque()
        came.append(_Asked(command, on_outcome))

    def _send_all(self) -> None:
        """Everything that was there to be read has been read."""
        all_came, self._came = self._came, {}
        now_s = self._clock()
        for (_, _, _, wait_s), came in all_came.items():
            self._send_first(came, now_s + wait_s)

    def _send_first(self, came: deque[_Asked], until_s: float) -> None:
        first = came.popleft()
        self._send(first, until_s, partial(self._told, first, came, until_s))

    def _send(self, one: _Asked, until_s: float, on_outcome: OnOutcome) -> None:
        """`until_s`: who wants the same waits no longer than that, however often another one had to be sent first."""
        self._commands.send_admitted(
            one.command, wait_s=max(0.0, until_s - self._clock()), on_outcome=on_outcome
        )

    def _told(
        self, first: _Asked, others: deque[_Asked], until_s: float, outcome: Outcome | BaseException
    ) -> None:
        first.on_outcome(outcome)
        if not others:
            return
        decision = outcome.decision if isinstance(outcome, StoredDecision) else None
        if decision is not None and decision.reason is None:
            self._send_first(others, until_s)
        elif decision is not None and decision.reason in SHARED_REASONS:
            for one in others:
                self._commands.dismiss(one.command)
                one.on_outcome(outcome)
        else:
            # Nothing is known of the others' fate, also where the first is not decided: each is sent for itself.
            for one in others:
                self._send(one, until_s, one.on_outcome)
