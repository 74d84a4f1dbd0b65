"""Checks of bookings: the responses to clients, in log order, must lead to the stored state. Pure.

Several requests may concern one booking, also at the same moment. Accepted ones have a position, which gives their
order; one with an unknown outcome may have happened anywhere in it, or not at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.chaos.history import History, Request
from tests.chaos.response_checks import describe
from tests.chaos.stored_state import StoredBooking, StoredState

MOVES = {
    ("held", "confirm"): "confirmed",
    ("held", "cancel"): "released",
    ("held", "time"): "expired",
    ("confirmed", "cancel"): "cancelled",
}
"""(status, request) → status. All others are refused and change nothing."""

REFUSED_IN = {
    "already_confirmed": {"confirmed"},
    "already_cancelled": {"cancelled", "released"},
    "hold_expired": {"expired"},
}
"""The statuses in which a refusal is correct."""


def wrong_bookings(history: History, stored: StoredState) -> Iterator[str]:
    """Yields acknowledged bookings that are not stored as acknowledged, refused requests with an effect, and
    unexplained bookings."""
    moves: dict[str, list[Request]] = defaultdict(list)
    for request in history.requests:
        if not request.makes:
            moves[request.booking_id].append(request)
    unexplained = dict(stored.bookings)
    for request in history.requests:
        if request.makes and request.accepted is not None:
            booking_id = request.accepted["id"]
            row = unexplained.pop(booking_id, None)
            if row is None:
                yield f"{describe(request)}: booking {booking_id} was acknowledged, and is lost or another user's"
                continue
            if (row.show_id, row.user_id, row.seats) != (
                request.show_id,
                request.user_id,
                tuple(request.accepted["seats"]),
            ):
                yield f"{describe(request)}: stored as {row}"
            if wrong := _wrong_booking(request, moves[booking_id], row, history.clock_s, stored.read_at_s):
                yield f"{describe(request)}: {booking_id}: {wrong}"
    yield from _unasked(history.requests, unexplained.values())


def _wrong_booking(
    made: Request, moves: list[Request], row: StoredBooking, clock_s: float, read_at_s: float
) -> str:
    statuses = {made.accepted["status"]}
    ever = set(statuses)
    doubtful = {request.kind for request in moves if request.in_doubt}
    expires_s = _seconds(made.accepted["expires_at"])

    def closed(now_s: float) -> set[str]:
        """Returns the statuses that may have been reached by then through unknown outcomes."""
        kinds = doubtful | ({"time"} if expires_s <= now_s else set())
        reached = set(statuses)
        while more := {MOVES[s, k] for s in reached for k in kinds if (s, k) in MOVES} - reached:
            reached |= more
        return reached

    accepted = [
        (request.accepted["decided"]["offset"], n, request)
        for n, request in enumerate(moves)
        if request.accepted
    ]
    for _, _, request in sorted(accepted):
        at_s = min(outcome.at for outcome in request.outcomes) + clock_s
        can_be = {MOVES.get((status, request.kind)) for status in closed(at_s)}
        status = request.accepted["status"]
        if status not in can_be:
            return f"{request.kind} made it {status}, which it cannot have become from {sorted(closed(at_s))}"
        ever |= closed(at_s) | {status}
        statuses = {status}
    for request in moves:
        if request.refused is not None:
            seen = ever | closed(request.refused.at + clock_s)
            if not REFUSED_IN.get(request.refused.body["code"], seen) & seen:
                return f"{request.kind} was refused with {request.refused.body['code']}, and it was only {sorted(seen)}"
    if row.status == "held" and expires_s < read_at_s:
        return "its time is up, and it is still held"
    if row.status not in closed(read_at_s):
        return f"it was acknowledged as {' or '.join(sorted(closed(0)))}, and is {row.status}"
    return ""


def _seconds(at: str | None) -> float:
    return float("inf") if at is None else datetime.fromisoformat(at).timestamp()


def _unasked(requests: list[Request], rows: Iterable[StoredBooking]) -> Iterator[str]:
    """Yields stored bookings without an acknowledgement that no request without a key explains."""
    doubtful = Counter(
        (request.user_id, request.show_id, frozenset(request.seats) or request.quantity)
        for request in requests
        for attempt in request.attempts
        if request.makes and request.key is None and attempt.status in (0, 503)
    )
    for row in rows:
        wanted = ((row.user_id, row.show_id, which) for which in (frozenset(row.seats), len(row.seats)))
        which = next((one for one in wanted if doubtful[one] > 0), None)
        if which is None:
            yield f"stored without having been asked for, twice, or though it was refused: {row}"
        else:
            doubtful[which] -= 1
