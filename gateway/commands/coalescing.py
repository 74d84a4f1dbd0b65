"""Request coalescing: one command for requests that ask for the same seats in the same iteration of the event loop.

In a rush many requests want the same few seats, and all but one are refused. Of the equal requests that a gateway
reads in one iteration, one is sent. When it is refused for a reason that does not depend on the customer, the others
get the same refusal: each arrived before that command was appended, so the refusal is not older than the request.
When it is accepted, the next one is sent. When it is refused for a reason of its own, all the others are sent.

A refusal may name bookings of its customer's own that are in the way, and is then shared with nobody: the next request
is sent. The command that is sent lists the customers of the others. The decision returns those of them who have one of
the taken seats themselves, whose refusals name their own bookings: their requests are sent, too.

Only for requests that name their seats, wait for the decision and have no Idempotency-Key, whose response would have
to be stored.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from gateway.commands.outcomes import OnOutcome, Outcome, StoredDecision
from gateway.commands.sender import CommandSender
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Decision, Reason

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
"""Reasons that do not depend on the customer. A seat worker checks them before all others: see decide."""
MAX_SHARING = 100
"""Requests that may share the refusal of one command."""


class _Request(NamedTuple):
    command: BookSeats | HoldSeats
    on_outcome: OnOutcome


_RequestKey = tuple[type, int, tuple[str, ...], float]
"""Key of equal requests: the kind of command, the show, the sorted seats, and the wait in seconds."""


class RequestCoalescer:
    """Sends commands for seats, one for equal requests. `clock` returns seconds."""

    def __init__(self, commands: CommandSender, clock: Callable[[], float] = time.monotonic) -> None:
        self._commands = commands
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._batch: dict[_RequestKey, list[deque[_Request]]] = {}

    def send(self, command: BookSeats | HoldSeats, *, wait_s: float, on_outcome: OnOutcome) -> None:
        """Sends a command as CommandSender.send does, together with equal ones."""
        self._commands.admit(command)
        if not self._batch:
            self._loop.call_soon(self._send_batch)
        seats = command.seats if len(command.seats) == 1 else tuple(sorted(command.seats))
        key = (type(command), command.show_id, seats, wait_s)
        groups = self._batch.get(key)
        if groups is None:
            groups = self._batch[key] = [deque()]
        elif len(groups[-1]) > MAX_SHARING:
            groups.append(deque())
        groups[-1].append(_Request(command, on_outcome))

    def _send_batch(self) -> None:
        """Sends the requests that were read in this iteration of the event loop."""
        batch, self._batch = self._batch, {}
        now_s = self._clock()
        for (_, _, _, wait_s), groups in batch.items():
            for requests in groups:
                self._send_first(requests, now_s + wait_s)

    def _send_first(self, requests: deque[_Request], deadline_s: float) -> None:
        first = requests.popleft()
        if requests:
            # Each customer once, in order. A booking without an owner has no bookings in the way.
            owners = dict.fromkeys(request.command.owner_id for request in requests)
            owners.pop(0, None)
            first = first._replace(command=replace(first.command, sharing=tuple(owners)))
        self._send(first, deadline_s, partial(self._on_first_outcome, first, requests, deadline_s))

    def _send(self, request: _Request, deadline_s: float, on_outcome: OnOutcome) -> None:
        """Sends one request. Equal requests share a deadline, even when several are sent one after the other."""
        wait_s = max(0.0, deadline_s - self._clock())
        self._commands.send_admitted(request.command, wait_s=wait_s, on_outcome=on_outcome)

    def _on_first_outcome(
        self, first: _Request, others: deque[_Request], deadline_s: float, outcome: Outcome | BaseException
    ) -> None:
        first.on_outcome(outcome)
        if not others:
            return
        decision = outcome.decision if isinstance(outcome, StoredDecision) else None
        if decision is not None and _leads_on(decision):
            self._send_first(others, deadline_s)
        elif decision is not None and decision.reason in SHARED_REASONS:
            for request in others:
                if request.command.owner_id in decision.unshared:
                    self._send(request, deadline_s, request.on_outcome)
                else:
                    self._commands.dismiss(request.command)
                    request.on_outcome(outcome)
        else:
            # The outcome says nothing about the others, also when the first is not decided.
            for request in others:
                self._send(request, deadline_s, request.on_outcome)


def _leads_on(decision: Decision) -> bool:
    """Whether the next of equal requests is sent after this decision, and may share its own."""
    return decision.reason is None or (bool(decision.yours) and decision.reason in SHARED_REASONS)
