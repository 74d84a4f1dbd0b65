"""Replays the accepted requests for the bookings of one show, in the order of the log. Pure.

Accepted requests have a position, which gives their order. A confirmation or cancellation without a key and with an
unknown outcome may have happened anywhere in it, or not at all, and a hold may expire once its time is up: so a booking
is in one of several states. A response that fits none of them is a violation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import msgspec

from tests.chaos.history import Request
from tests.chaos.response_checks import describe
from tests.chaos.show_plans import ShowPlan

MOVES = {
    ("held", "confirm"): "confirmed",
    ("held", "cancel"): "released",
    ("held", "time"): "expired",
    ("held", "extend"): "held",
    ("held", "seats"): "held",
    ("held", "swap"): "held",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "seats"): "confirmed",
    ("confirmed", "swap"): "confirmed",
}
"""(status, request) → status. All others are refused and change nothing."""

LIVE = frozenset({"held", "confirmed"})
CLOCKS_S = 0.1
"""Difference that the clocks of clients and of the log may have, in seconds."""
EXTENDED_AT_MOST_S = 1_800


class State(msgspec.Struct, frozen=True):
    """A state of a booking."""

    status: str
    seats: tuple[str, ...]
    expires_s: float = float("inf")
    """When a hold expires, in Unix seconds."""


class Period(msgspec.Struct, frozen=True):
    """A time in which a booking may have been in some states, in seconds of the clients' clock."""

    since: float
    until: float
    states: frozenset[State]


class BookingTrace(msgspec.Struct, kw_only=True):
    """What is known of a booking."""

    made: Request
    created_s: float
    hold_s: int
    now: frozenset[State]
    """The states that it may be in after the last accepted request."""
    since: float
    """When the first of these may have been reached, in seconds of the clients' clock."""
    clock_s: float
    before: list[Period] = msgspec.field(default_factory=list)
    """The states before that, in order."""
    doubtful: frozenset[str] = frozenset()
    """Kinds of requests for it with an unknown outcome."""
    moves: list[Request] = msgspec.field(default_factory=list)
    """All requests for it, also refused ones."""

    def closed(self, now_s: float) -> frozenset[State]:
        """Returns the states that may have been reached by then through unknown outcomes and through time."""
        reached = set(self.now)
        pending = [*reached]
        while pending:
            state = pending.pop()
            kinds = self.doubtful | ({"time"} if state.expires_s <= now_s else set())
            for kind in kinds:
                status = MOVES.get((state.status, kind))
                if status is not None and (more := State(status, state.seats)) not in reached:
                    reached.add(more)
                    pending.append(more)
        return frozenset(reached)

    def move(self, now: frozenset[State], sent: float, known_at: float) -> None:
        """Takes an accepted request into account, which was decided between these times."""
        states = self.closed(known_at + self.clock_s)
        self.before.append(Period(self.since, known_at, states))
        self.now, self.since = now, sent

    def seen(self, sent: float, known_at: float) -> frozenset[State]:
        """Returns the states that a request may have met which was decided between these times."""
        periods = [*self.before, Period(self.since, float("inf"), self.closed(known_at + self.clock_s))]
        met = [one.states for one in periods if one.since <= known_at and sent <= one.until]
        return frozenset().union(*met)

    def ever(self) -> frozenset[State]:
        """Returns all states that it may have been in, apart from what time and unknown outcomes made of the last."""
        return self.now.union(*(period.states for period in self.before))


class ShowReplay:
    """The bookings of a show, and the violations found while replaying their requests."""

    def __init__(
        self, plan: ShowPlan, requests: list[Request], clock_s: float, unacknowledged: frozenset[str]
    ) -> None:
        """`unacknowledged`: seats of bookings that nobody has a response for."""
        self.plan = plan
        self.clock_s = clock_s
        self.bookings: dict[str, BookingTrace] = {}
        self.wrong: list[str] = []
        self._holders: dict[str, set[str]] = defaultdict(set)
        self._unacknowledged = unacknowledged
        decided = sorted(
            (offset, n) for n, one in enumerate(requests) if (offset := _offset(one)) is not None
        )
        in_order = [requests[n] for _, n in decided]
        for request in in_order:
            if request.makes and request.accepted is not None:
                self._make(request)
        for request in requests:
            for booking_id in (request.booking_id, request.with_id):
                if booking_id in self.bookings:
                    self.bookings[booking_id].moves.append(request)
        for trace in self.bookings.values():
            trace.doubtful = frozenset(one.kind for one in trace.moves if one.in_doubt)
        for request in in_order:
            wrong = self._accept(request) if request.accepted is not None else self._refuse(request)
            self.wrong += [f"{describe(request)}: {one}" for one in wrong]

    def _make(self, request: Request) -> None:
        body = request.accepted
        state = State(body["status"], tuple(body["seats"]), seconds(body["expires_at"]))
        self.bookings[body["id"]] = BookingTrace(
            made=request,
            created_s=seconds(body["created_at"]),
            hold_s=request.hold_s,
            now=frozenset({state}),
            since=request.first_sent,
            clock_s=self.clock_s,
        )

    def _accept(self, request: Request) -> Iterator[str]:
        at_s = request.known_at + self.clock_s
        body = request.accepted
        after = State(body["status"], tuple(body["seats"]), seconds(body["expires_at"]))
        if request.makes:
            if wrong := self._wrong_hold(request, after):
                yield wrong
            yield from self._take(body["id"], after.seats, at_s)
            return
        trace = self.bookings.get(request.booking_id)
        if trace is None:
            return  # reported as accepted with another booking, or as made by nobody
        before = trace.closed(at_s)
        if not any(MOVES.get((state.status, request.kind)) == after.status for state in before):
            statuses = sorted({state.status for state in before})
            yield f"{request.kind} made it {after.status}, which it cannot have become from {statuses}"
        live = [state for state in before if state.status in LIVE]
        if request.kind == "seats":
            if set(after.seats) != set(request.seats):
                yield f"it has other seats than asked for: {after.seats}"
        elif request.kind != "swap" and all(state.seats != after.seats for state in before):
            yield f"{request.kind} gave it the seats {after.seats}, and it had {before}"
        if request.kind == "extend":
            yield from self._wrong_extension(request, trace, live, after)
        elif after.status == "held" and all(state.expires_s != after.expires_s for state in live):
            yield f"{request.kind} made it expire at {after.expires_s}, and it was to at {live}"
        if request.kind == "swap":
            yield from self._swap(request, live, after, at_s)
        trace.move(frozenset({after}), request.first_sent, request.known_at)
        yield from self._take(request.booking_id, after.seats, at_s)

    def _refuse(self, request: Request) -> Iterator[str]:
        """Yields seats that a refusal names as taken, and that nobody had at its position."""
        assert request.refused is not None
        if request.refused.body["code"] != "seat_taken":
            return
        at_s = request.known_at + self.clock_s
        for seat in {*request.refused.body["seats"]} - self._unacknowledged:
            states = [
                state
                for booking_id in self._holders[seat] - {request.booking_id}
                for state in self.bookings[booking_id].closed(at_s)
            ]
            if not any(state.status in LIVE and seat in state.seats for state in states):
                yield f"refused because of seat {seat}, which nobody had"

    def _swap(self, request: Request, live: list[State], after: State, at_s: float) -> Iterator[str]:
        """Gives the other booking of a swap the seats of the first."""
        other = self.bookings.get(request.with_id)
        if other is None:
            return
        before = other.closed(at_s)
        states = [state for state in before if state.status in LIVE]
        if all(state.seats != after.seats for state in states):
            yield f"swap gave it the seats {after.seats}, and the other booking had {before}"
        seats = {state.seats for state in live} or {()}
        now = frozenset(State(state.status, one, state.expires_s) for state in states for one in seats)
        other.move(now or before, request.first_sent, request.known_at)
        for one in seats:
            yield from self._take(request.with_id, one, at_s, beside=request.booking_id)

    def _take(self, booking_id: str, seats: tuple[str, ...], at_s: float, beside: str = "") -> Iterator[str]:
        """Yields seats that another booking surely has at this position."""
        for seat in seats:
            for other_id in self._holders[seat] - {booking_id, beside}:
                states = self.bookings[other_id].closed(at_s)
                if all(state.status in LIVE and seat in state.seats for state in states):
                    yield f"seat {seat} was given to {booking_id} while {other_id} had it"
            self._holders[seat].add(booking_id)

    def _wrong_hold(self, request: Request, after: State) -> str:
        if request.kind == "hold":
            created_s = seconds(request.accepted["created_at"])
            if abs(after.expires_s - created_s - request.hold_s) > 0.0015:
                return f"a hold of {request.hold_s} s, made at {created_s}, expires at {after.expires_s}"
        return ""

    def _wrong_extension(
        self, request: Request, trace: BookingTrace, live: list[State], after: State
    ) -> Iterator[str]:
        earliest, latest = self.extended(trace, request, request.known_at)
        if not earliest - CLOCKS_S <= after.expires_s <= latest + CLOCKS_S:
            yield f"it was extended to {after.expires_s}, and not to between {earliest} and {latest}"
        if all(after.expires_s <= state.expires_s for state in live):
            yield f"it was extended to {after.expires_s}, and was to expire at {live}"

    def extended(self, trace: BookingTrace, request: Request, known_at: float) -> tuple[float, float]:
        """Returns the earliest and the latest time to which a request may extend a hold."""
        at_most_s = trace.created_s + EXTENDED_AT_MOST_S
        earliest, latest = (
            min(at + self.clock_s + trace.hold_s, at_most_s) for at in (request.first_sent, known_at)
        )
        return earliest, latest


def _offset(request: Request) -> int | None:
    """The position of a decision on a booking, or on seats; None where the response has none."""
    for outcome in request.outcomes:
        if "decided" in outcome.body:
            return int(outcome.body["decided"]["offset"])
    return None


def seconds(at: str | None) -> float:
    """Returns a time of a response in Unix seconds; infinity for none."""
    return float("inf") if at is None else datetime.fromisoformat(at).timestamp()
