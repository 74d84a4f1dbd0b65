"""Pending requests of this gateway: commands in the log whose decision has not arrived.

A request that times out stays registered until its command is decided, because it still counts as in flight.
"""

from __future__ import annotations

import asyncio
import math
import secrets

from gateway.commands.outcomes import StoredDecision
from schemas.ids import Position

LOOK_UP_AFTER_S = 0.25
"""Time after which a decision that did not arrive is looked up in PostgreSQL, and between the first look-ups: a
decision whose reply is lost is at most this late."""

LATER_LOOK_UP_S = 2.0
"""Interval of later look-ups: a command that is undecided after LOOK_UPS of them waits for a seat worker."""

LOOK_UPS = 20


class PendingRequest:
    """A request for one decision. Subclasses implement its two callbacks."""

    __slots__ = ("deadline", "look_up_at", "look_ups", "number", "position")

    def __init__(self) -> None:
        self.number = 0
        self.deadline = math.inf
        self.position: Position | None = None
        self.look_up_at = math.inf
        self.look_ups = 0

    def looked_up_at(self, now: float) -> None:
        """Sets the time of the next look-up, after one at this time."""
        self.look_ups += 1
        self.look_up_at = now + (LOOK_UP_AFTER_S if self.look_ups < LOOK_UPS else LATER_LOOK_UP_S)

    def on_decision(self, stored: StoredDecision) -> None:
        """Called once with the decision, however late it arrives."""
        raise NotImplementedError

    def on_timeout(self) -> None:
        """Called at most once, when the deadline passes before the decision arrives."""
        raise NotImplementedError


class AwaitedDecision(PendingRequest):
    """A decision that a coroutine awaits; None when it does not arrive in time."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        super().__init__()
        self.outcome: asyncio.Future[StoredDecision | None] = asyncio.get_running_loop().create_future()

    def on_decision(self, stored: StoredDecision) -> None:
        if not self.outcome.done():
            self.outcome.set_result(stored)

    def on_timeout(self) -> None:
        if not self.outcome.done():
            self.outcome.set_result(None)


class PendingRequests:
    """Registry of the pending requests by number."""

    def __init__(self) -> None:
        self.gateway_id = secrets.token_hex(6)
        """Seat workers address their replies to this id."""
        self._requests: dict[int, PendingRequest] = {}
        self._last_number = 0
        # Kept, because asking for the running loop costs a system call each time.
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self.received = self.looked_up = 0
        """Decisions received over Redis, and decisions looked up in PostgreSQL."""

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: PendingRequest, wait_s: float) -> None:
        """Registers a request that times out after `wait_s` seconds, and gives it its number."""
        self._last_number = request.number = self._last_number + 1
        self._requests[request.number] = request
        if self._stopping:
            request.on_timeout()
        else:
            request.deadline = self._loop.time() + wait_s

    def set_position(self, request: PendingRequest, position: Position) -> None:
        """Notes the position of a request's command in the log, so that its decision can be looked up."""
        request.position = position
        request.look_up_at = self._loop.time() + LOOK_UP_AFTER_S

    def remove(self, request: PendingRequest) -> bool:
        """Removes a request. Returns whether it was registered, which means that it is not decided."""
        return self._requests.pop(request.number, None) is not None

    def resolve(self, number: int, position: Position, answer: bytes | memoryview) -> bool:
        """Passes a decision to the request with this number. Returns whether there was one."""
        request = self._requests.pop(number, None)
        if request is None:
            return False
        request.on_decision(StoredDecision(position, bytes(answer)))
        return True

    def check_timeouts(self) -> list[PendingRequest]:
        """Times out overdue requests. Returns the requests whose decision is due to be looked up."""
        now = self._loop.time()
        due: list[PendingRequest] = []
        for request in [*self._requests.values()]:
            if request.deadline <= now:
                self._time_out(request)
            if request.look_up_at <= now:
                due.append(request)
        return due

    def time_out_all(self) -> None:
        """Shutdown: times out all requests, and from then on each new one as soon as it is added."""
        self._stopping = True
        for request in [*self._requests.values()]:
            self._time_out(request)

    @staticmethod
    def _time_out(request: PendingRequest) -> None:
        if request.deadline != math.inf:
            request.deadline = math.inf
            request.on_timeout()
